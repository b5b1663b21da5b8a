// Owns the environment that each service process gets from the supervisor. Pure.
import { userName } from "@reveille/shared/nats/permissions";
import { defaultSizes } from "@reveille/shared/protocol/topology";
import type { ServiceName } from "./endpoints.js";
import type { KeyFiles } from "./installation-keys.js";

export interface StackAddresses {
  /** With the credentials of one user; the same for all when the server is not ours. */
  readonly natsUrlOf: (user: string) => string;
  readonly databaseUrl: string;
  readonly prefix: string;
  readonly httpHost: string;
  /** Of the first gateway; further ones take any free port. */
  readonly httpPort: number;
  /** Of the first gateway, once it is up; what agents are told. */
  readonly apiUrl: () => string | undefined;
  readonly dataDir: string;
  readonly keys: KeyFiles;
  readonly logLevel: string;
}

/** Somebody waits at a terminal; a cluster gives runs minutes. Below the supervisor's own patience with a runner. */
const LOCAL_DRAIN_MS = 10_000;

/** Every service of every kind: the same names as in a cluster, so that nothing behaves differently here. */
export function serviceEnvironment(
  name: ServiceName,
  index: number,
  addresses: StackAddresses,
  extra: NodeJS.ProcessEnv,
): NodeJS.ProcessEnv {
  return {
    ...process.env,
    NATS_URL: addresses.natsUrlOf(userOf(name, extra)),
    DATABASE_URL: addresses.databaseUrl,
    REVEILLE_SUBJECT_PREFIX: addresses.prefix,
    REVEILLE_DATA_DIR: addresses.dataDir,
    REVEILLE_LOG_LEVEL: addresses.logLevel,
    ...own(name, index, addresses),
    // Who sends a service elsewhere sends its keeper there too.
    ...(extra["NATS_URL"] ? { REVEILLE_KEEPER_NATS_URL: "" } : {}),
    ...extra,
  };
}

function userOf(name: ServiceName, extra: NodeJS.ProcessEnv): string {
  if (name !== "runner") return userName({ kind: name });
  const given = extra["REVEILLE_RUNNER_POOL"] || process.env["REVEILLE_RUNNER_POOL"];
  const pool = given ?? defaultSizes.pools[0] ?? "";
  return userName({ kind: "runner", pool });
}

/** Empty when everybody has the same address: then there is no identity of its own for the keeper here. */
function keeperUrl({ natsUrlOf }: StackAddresses): string {
  const url = natsUrlOf(userName({ kind: "keeper" }));
  const given = process.env["REVEILLE_KEEPER_NATS_URL"];
  return given || (url === natsUrlOf(userName({ kind: "agent-actor" })) ? "" : url);
}

function own(name: ServiceName, index: number, addresses: StackAddresses): NodeJS.ProcessEnv {
  switch (name) {
    case "gateway":
      return {
        REVEILLE_HTTP_HOST: addresses.httpHost,
        REVEILLE_HTTP_PORT: String(index === 0 ? addresses.httpPort : 0),
        ...keyFiles(addresses.keys),
      };
    case "runner":
      return {
        // A runner needs no database and no key: what it must know it is told by the actor. Agents of the same user can read its
        // environment.
        DATABASE_URL: "",
        ...noKeys,
        REVEILLE_API_URL: process.env["REVEILLE_API_URL"] || addresses.apiUrl(),
        // Everything of it is on this machine, the agents' endpoints too.
        REVEILLE_RUNNER_HTTP_ALLOW_PRIVATE:
          process.env["REVEILLE_RUNNER_HTTP_ALLOW_PRIVATE"] || "true",
        REVEILLE_RUNNER_DRAIN_MS: process.env["REVEILLE_RUNNER_DRAIN_MS"] || String(LOCAL_DRAIN_MS),
      };
    case "agent-actor":
      return { REVEILLE_KEEPER_NATS_URL: keeperUrl(addresses), ...keyFiles(addresses.keys) };
  }
}

/** A key or a file that the caller's environment names wins over the installation's own. */
const keyFiles = (keys: KeyFiles): NodeJS.ProcessEnv => ({
  REVEILLE_SECRETS_MASTER_KEY_FILE:
    process.env["REVEILLE_SECRETS_MASTER_KEY_FILE"] || keys.masterKey,
  REVEILLE_RUN_TOKEN_SECRET_FILE: process.env["REVEILLE_RUN_TOKEN_SECRET_FILE"] || keys.tokenSecret,
});
const noKeys: NodeJS.ProcessEnv = {
  REVEILLE_SECRETS_MASTER_KEY: "",
  REVEILLE_SECRETS_MASTER_KEY_FILE: "",
  REVEILLE_RUN_TOKEN_SECRET: "",
  REVEILLE_RUN_TOKEN_SECRET_FILE: "",
};
