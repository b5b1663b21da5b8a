/**
 * A folder with the configuration of a nats-server and the credentials of everybody who connects to it. What is there stays: keys are
 * made once, and each run writes the configuration anew around them. Knows no running server.
 */
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import {
  operatorBlock,
  seedOfCreds,
  systemCreds,
  userCreds,
} from "@reveille/shared/nats/operator-mode";
import type { Authority } from "@reveille/shared/nats/operator-mode";
import { inboxPrefixOf, userName } from "@reveille/shared/nats/permissions";
import type { Identity } from "@reveille/shared/nats/permissions";
import { authorizationBlock } from "@reveille/shared/nats/server-users";
import { newSeed, publicKeyOf } from "@reveille/shared/nats/user-keys";
import type { KeyKind } from "@reveille/shared/nats/user-keys";
import { serverConfig } from "./nats-server-text.js";
import { usageFailure } from "./failure.js";

/** What an installation is made of; kept beside the keys, so that a repetition needs no options. */
export interface NatsSettings {
  mode: "plain" | "operator";
  /** Of all subjects. */
  prefix: string;
  pools: string[];
  /** Ids of companies that have credentials of their own. */
  companies: string[];
  /** `host:port` of clients and of the monitoring page. */
  listen: string;
  http: string;
  storeDir: string;
}
export interface WrittenUser {
  name: string;
  file: string;
  /** The prefix with which it has to connect; the services know theirs. */
  inbox: string;
}

const settingsFile = (dir: string): string => join(dir, "nats-config.json");
const signers: Record<keyof Authority, KeyKind> = {
  operator: "operator",
  account: "account",
  signing: "account",
  system: "account",
};

/** @throws CliFailure (usage) when the file is no settings. */
export function readSettings(dir: string): NatsSettings | undefined {
  if (!existsSync(settingsFile(dir))) return undefined;
  try {
    return JSON.parse(readFileSync(settingsFile(dir), "utf8")) as NatsSettings;
  } catch {
    throw usageFailure(
      `${settingsFile(dir)} is not readable`,
      "Is it the folder of `nats-config`?",
    );
  }
}

/** Everybody who gets credentials. */
export function identitiesOf({ pools, companies }: NatsSettings): Identity[] {
  return [
    { kind: "gateway" },
    { kind: "agent-actor" },
    { kind: "keeper" },
    ...pools.map((pool): Identity => ({ kind: "runner", pool })),
    { kind: "operator" },
    { kind: "admin" },
    ...companies.map((companyId): Identity => ({ kind: "company", companyId })),
  ];
}

/**
 * Writes all of it. `renew`: new keys in place of those that are there, which ends what everybody had.
 * @throws CliFailure (usage) when the folder holds an installation of the other mode.
 */
export async function writeInstallation(
  dir: string,
  settings: NatsSettings,
  renew: boolean,
): Promise<WrittenUser[]> {
  const before = readSettings(dir);
  if (before && before.mode !== settings.mode && !renew)
    throw usageFailure(
      `${dir} holds an installation in ${before.mode} mode`,
      "Choose another folder, or --force to make everything anew: every credential that was given out ends.",
    );
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  const users =
    settings.mode === "plain"
      ? writePlain(dir, settings, renew)
      : await writeOperator(dir, settings, renew);
  writePrivately(settingsFile(dir), `${JSON.stringify(settings, null, 2)}\n`);
  return users;
}

function writePlain(dir: string, settings: NatsSettings, renew: boolean): WrittenUser[] {
  const users = identitiesOf(settings).map((identity) => {
    const file = credentialsFile(dir, settings, identity);
    const seed = (renew ? undefined : readIfThere(file)?.trim()) ?? newSeed("user");
    writePrivately(file, `${seed}\n`);
    return { identity, file, proof: { nkey: publicKeyOf(seed) } };
  });
  writePrivately(
    join(dir, "nats-server.conf"),
    serverConfig(settings, authorizationBlock(users, settings.prefix)),
  );
  return users.map(({ identity, file }) => written(identity, file));
}

async function writeOperator(
  dir: string,
  settings: NatsSettings,
  renew: boolean,
): Promise<WrittenUser[]> {
  const authority = {} as Authority;
  for (const [name, kind] of Object.entries(signers) as [keyof Authority, KeyKind][]) {
    const file = join(dir, "keys", `${name}.nk`);
    authority[name] = (renew ? undefined : readIfThere(file)?.trim()) ?? newSeed(kind);
    writePrivately(file, `${authority[name]}\n`);
  }
  const signer = { account: publicKeyOf(authority.account), signing: authority.signing };
  const users: WrittenUser[] = [];
  for (const identity of identitiesOf(settings)) {
    const file = credentialsFile(dir, settings, identity);
    const seed = (renew ? undefined : seedOfCreds(readIfThere(file) ?? "")) ?? newSeed("user");
    writePrivately(file, await userCreds(identity, settings.prefix, seed, signer));
    users.push(written(identity, file));
  }
  const file = join(dir, "system.creds");
  const seed = (renew ? undefined : seedOfCreds(readIfThere(file) ?? "")) ?? newSeed("user");
  writePrivately(file, await systemCreds(authority, seed));
  writePrivately(
    join(dir, "nats-server.conf"),
    serverConfig(settings, await operatorBlock(authority, "reveille")),
  );
  return [...users, { name: "system", file, inbox: "_INBOX" }];
}

/** Where an identity's credentials are: a seed, or a JWT with its seed. */
export const credentialsFile = (
  dir: string,
  { mode }: Pick<NatsSettings, "mode">,
  identity: Identity,
): string => join(dir, `${userName(identity)}.${mode === "plain" ? "nk" : "creds"}`);

const written = (identity: Identity, file: string): WrittenUser => ({
  name: userName(identity),
  file,
  inbox: inboxPrefixOf(identity),
});

const readIfThere = (file: string): string | undefined =>
  existsSync(file) ? readFileSync(file, "utf8") : undefined;

/** Readable by its owner alone, whatever it was before. */
export function writePrivately(file: string, text: string): void {
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  writeFileSync(file, text, { mode: 0o600 });
  chmodSync(file, 0o600);
}
