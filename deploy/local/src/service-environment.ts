// Owns the environment that each service process gets from the supervisor. Pure.
import type { ServiceName } from "./endpoints.js";

export interface StackAddresses {
  /** With the credentials of our services. */
  readonly natsUrl: string;
  readonly databaseUrl: string;
  readonly prefix: string;
  readonly httpHost: string;
  /** Of the first gateway; further ones take any free port. */
  readonly httpPort: number;
  readonly dataDir: string;
  readonly logLevel: string;
}

/** Every service of every kind: the same names as in a cluster, so that nothing behaves differently here. */
export function serviceEnvironment(
  name: ServiceName,
  index: number,
  addresses: StackAddresses,
  extra: NodeJS.ProcessEnv,
): NodeJS.ProcessEnv {
  return {
    ...process.env,
    NATS_URL: addresses.natsUrl,
    DATABASE_URL: addresses.databaseUrl,
    REVEILLE_SUBJECT_PREFIX: addresses.prefix,
    REVEILLE_DATA_DIR: addresses.dataDir,
    REVEILLE_LOG_LEVEL: addresses.logLevel,
    ...own(name, index, addresses),
    ...extra,
  };
}

function own(name: ServiceName, index: number, addresses: StackAddresses): NodeJS.ProcessEnv {
  switch (name) {
    case "gateway":
      return {
        REVEILLE_HTTP_HOST: addresses.httpHost,
        REVEILLE_HTTP_PORT: String(index === 0 ? addresses.httpPort : 0),
      };
    case "runner":
      // A runner needs no database: what it must know it is told by the actor.
      return {
        DATABASE_URL: "",
        REVEILLE_RUNNER_POOL: process.env["REVEILLE_RUNNER_POOL"] || "default",
        REVEILLE_RUNNER_SLOTS: process.env["REVEILLE_RUNNER_SLOTS"] || "8",
      };
    case "agent-actor":
      return {};
  }
}
