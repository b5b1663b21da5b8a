/**
 * The operator mode of a nats-server: an operator signs accounts, an account's key signs users, and the server knows the operator
 * alone. Users need no entry on any server, which is why credentials can be given out without touching one. Signs; keeps nothing.
 */
import { Algorithms, encodeAccount, encodeOperator, encodeUser, fmtCreds } from "@nats-io/jwt";
import { permissionsOf, userName } from "./permissions.js";
import type { Grant } from "./grants.js";
import type { Identity } from "./permissions.js";
import { keyPairOf, publicKeyOf } from "./user-keys.js";

/** Seeds of those who sign. Whoever has `signing` can make any user of the account; the others are needed when the account changes. */
export interface Authority {
  operator: string;
  /** Of the account in which Reveille lives; its public key is the account's id. */
  account: string;
  /** Signs the account's users in place of the account's own key. */
  signing: string;
  /** Of the server's own account, for its monitoring. */
  system: string;
}
const v2 = { algorithm: Algorithms.v2 };
const unlimited = -1;

/** The part of a server's configuration that says whom it believes: operator, and both accounts in its memory. */
export async function operatorBlock(authority: Authority, name: string): Promise<string> {
  const [account, system] = [publicKeyOf(authority.account), publicKeyOf(authority.system)];
  const operatorJwt = await encodeOperator(
    name,
    keyPairOf(authority.operator),
    { system_account: system },
    v2,
  );
  const signer = { ...v2, signer: keyPairOf(authority.operator) };
  const accountJwt = await encodeAccount(
    name,
    keyPairOf(authority.account),
    { signing_keys: [publicKeyOf(authority.signing)], limits: { ...limits, ...jetStreamLimits } },
    signer,
  );
  const systemJwt = await encodeAccount("SYS", keyPairOf(authority.system), { limits }, signer);
  return `operator: ${operatorJwt}
system_account: ${system}
# Accounts that this server knows. \`nsc push\` keeps many in a NATS resolver; these two need none.
resolver: MEMORY
resolver_preload: {
  # ${name}: Reveille's account
  ${account}: ${accountJwt}
  # SYS
  ${system}: ${systemJwt}
}
`;
}

/** Servers bound what they store by themselves; the account adds no bound. */
const limits = {
  subs: unlimited,
  data: unlimited,
  payload: unlimited,
  imports: unlimited,
  exports: unlimited,
  wildcards: true,
  conn: unlimited,
  leaf: unlimited,
};
const jetStreamLimits = {
  mem_storage: unlimited,
  disk_storage: unlimited,
  streams: unlimited,
  consumer: unlimited,
};

/** The account that signs, without the keys that only the account's own changes need. */
export interface Signer {
  /** Public. */
  account: string;
  signing: string;
}

/** The text of a user's credentials file: its JWT, signed here, and its seed. */
export async function userCreds(
  identity: Identity,
  prefix: string,
  userSeed: string,
  signer: Signer,
): Promise<string> {
  const { publish, subscribe, responses } = permissionsOf(identity, prefix);
  const user = keyPairOf(userSeed);
  const jwt = await encodeUser(
    userName(identity),
    user,
    signer.account,
    {
      pub: { allow: subjects(publish), deny: [] },
      sub: { allow: subjects(subscribe), deny: [] },
      // The server counts in nanoseconds.
      ...(responses ? { resp: { max: responses.max, ttl: responses.withinMs * 1_000_000 } } : {}),
    },
    { ...v2, signer: keyPairOf(signer.signing) },
  );
  return new TextDecoder().decode(fmtCreds(jwt, user));
}

/** Credentials of the server's own account: monitoring by `nats server`, never a service. */
export async function systemCreds(authority: Authority, userSeed: string): Promise<string> {
  const user = keyPairOf(userSeed);
  const jwt = await encodeUser("sys", user, keyPairOf(authority.system), {}, v2);
  return new TextDecoder().decode(fmtCreds(jwt, user));
}

/** The seed in a credentials file; undefined when there is none. */
export const seedOfCreds = (text: string): string | undefined =>
  /^(SU[A-Z0-9]{56})$/m.exec(text)?.[1];

const subjects = (grants: readonly Grant[]): string[] => grants.map(({ subject }) => subject);
