/** What the gateway reads from its environment. A bad value ends the process with its variable's name. */
import { keysShape, readKeys } from "@reveille/shared/credentials/keys";
import { poolsShape } from "@reveille/shared/protocol/runner-pools";
import {
  ConfigError,
  commonShape,
  databaseShape,
  integer,
  port,
  readConfig,
} from "@reveille/shared/runtime/config";
import { failpointPattern } from "@reveille/shared/runtime/failpoint";
import { z } from "zod";
import { isLoopbackName } from "./origin.js";

/** `local_trusted`: one machine, everybody on it is the board. `authenticated`: nobody is anybody without a credential. */
export const deploymentModes = ["local_trusted", "authenticated"] as const;
export type DeploymentMode = (typeof deploymentModes)[number];

/** From SIGTERM to the end of the last request. 5 s: those that wait for longer are told to come back anyway. */
export const gatewayDrainMs = 5_000;

/** Each variable, as it is checked. */
export const gatewayShape = {
  ...commonShape,
  ...databaseShape,
  ...keysShape,
  ...poolsShape,
  REVEILLE_DEPLOYMENT_MODE: z.enum(deploymentModes).default("local_trusted"),
  /** Where HTTP and WebSocket listen. Where nobody logs in it has to be this machine alone. */
  REVEILLE_HTTP_HOST: z.string().min(1).default("127.0.0.1"),
  /** 0: any free port. */
  REVEILLE_HTTP_PORT: port.default(3100),
  /** Connections to Postgres at most: a request holds one for a few milliseconds. */
  REVEILLE_DATABASE_POOL: integer(1, 200).default(10),
  /** 1: plain values under names that look secret are refused in agents' variables. */
  REVEILLE_SECRETS_STRICT: z.enum(["0", "1"]).default("0"),
  /** For tests alone: where this process ends as if by kill -9. */
  REVEILLE_FAILPOINT: z.string().regex(failpointPattern, "must be a place and a number").optional(),
  /** For tests: an answer that is not what its route declares becomes a 500. */
  REVEILLE_CHECK_ANSWERS: z.enum(["0", "1"]).default("0"),
};

export type GatewayConfig = ReturnType<typeof readGatewayConfig>;

/** @throws ConfigError naming each bad variable. */
export function readGatewayConfig(env?: Readonly<Record<string, string | undefined>>) {
  const config = readConfig(gatewayShape, env);
  if (
    config.REVEILLE_DEPLOYMENT_MODE === "local_trusted" &&
    !isLoopbackName(config.REVEILLE_HTTP_HOST)
  )
    throw new ConfigError(
      "The environment is not right:\n" +
        "  REVEILLE_HTTP_HOST: must be a loopback address, because every caller is the board without a login;\n" +
        "  REVEILLE_DEPLOYMENT_MODE=authenticated listens on others and asks for a credential",
    );
  return { ...config, keys: readKeys(config) };
}
