/** What the gateway reads from its environment. A bad value ends the process with its variable's name. */
import {
  ConfigError,
  commonShape,
  databaseShape,
  integer,
  port,
  readConfig,
} from "@reveille/shared/runtime/config";
import { z } from "zod";
import { isLoopbackName } from "./origin.js";

const shape = {
  ...commonShape,
  ...databaseShape,
  /** Where HTTP and WebSocket listen. Nobody logs in, so it has to be this machine alone. */
  REVEILLE_HTTP_HOST: z.string().min(1).default("127.0.0.1"),
  /** 0: any free port. */
  REVEILLE_HTTP_PORT: port.default(3100),
  /** Connections to Postgres at most: a request holds one for a few milliseconds. */
  REVEILLE_DATABASE_POOL: integer(1, 200).default(10),
};

export type GatewayConfig = ReturnType<typeof readGatewayConfig>;

/** @throws ConfigError naming each bad variable. */
export function readGatewayConfig(env?: Readonly<Record<string, string | undefined>>) {
  const config = readConfig(shape, env);
  if (!isLoopbackName(config.REVEILLE_HTTP_HOST))
    throw new ConfigError(
      "The environment is not right:\n" +
        "  REVEILLE_HTTP_HOST: must be a loopback address: every caller is the board, without a login",
    );
  return config;
}
