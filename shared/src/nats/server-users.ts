/**
 * The text of the `authorization` block of a nats-server: users with their permissions, each line with its reason. Pure. Knows no
 * listener and no store; who is listed, and with which proof, is told to it.
 */
import { permissionsOf, userName } from "./permissions.js";
import type { Grant } from "./grants.js";
import type { Identity } from "./permissions.js";

/** How a user proves who it is: a public nkey (the server keeps no secret), or a password. */
export type Proof = { nkey: string } | { password: string };
export interface ServerUser {
  identity: Identity;
  proof: Proof;
}

/** `noAuth`: the identity of whoever brings no credentials; it has to be in the list, with a password. */
export function authorizationBlock(
  users: readonly ServerUser[],
  prefix: string,
  noAuth?: Identity,
): string {
  const listed = users.map((user) => indent(userEntry(user, prefix), 4)).join("\n");
  return `authorization {
  users: [
${listed}
  ]
}
${noAuth ? `no_auth_user: ${quote(userName(noAuth))}\n` : ""}`;
}

/** One entry of the list, to be put into a configuration. */
export function userEntry({ identity, proof }: ServerUser, prefix: string): string {
  const name = userName(identity);
  const who =
    "nkey" in proof
      ? `# ${name}\n  nkey: ${proof.nkey}`
      : `user: ${quote(name)}\n  password: ${quote(proof.password)}`;
  const { publish, subscribe, responses } = permissionsOf(identity, prefix);
  const answers = responses
    ? `\n    # ${responses.why}\n    allow_responses: { max: ${responses.max}, expires: "${responses.withinMs}ms" }`
    : "";
  return `{
  ${who}
  permissions: {
    publish: { allow: [
${lines(publish)}
    ] }
    subscribe: { allow: [
${lines(subscribe)}
    ] }${answers}
  }
}`;
}

const lines = (grants: readonly Grant[]): string =>
  grants.map(({ subject, why }) => `      ${quote(subject)} # ${why}`).join("\n");

/** A quoted string of the server's format, in which a backslash escapes as in JSON. */
export const quote = (text: string): string => JSON.stringify(text);

const indent = (text: string, by: number): string => text.replaceAll(/^(?=.)/gm, " ".repeat(by));
