/**
 * The installation's own secrets, from the environment or from files: the master key of stored secrets
 * and the signing secret of run tokens. Absent ones are null: what needs them refuses with a clear word.
 */
import { readFileSync } from "node:fs";
import { z } from "zod";
import { ConfigError } from "../runtime/config.js";

/** What gateway and actor hosts read. A file wins over nothing, a value over a file. */
export const keysShape = {
  /** 32 bytes, as 64 hex digits or base64. */
  REVEILLE_SECRETS_MASTER_KEY: z.string().optional(),
  REVEILLE_SECRETS_MASTER_KEY_FILE: z.string().optional(),
  /** At least 32 characters, the same on gateways and actor hosts. */
  REVEILLE_RUN_TOKEN_SECRET: z.string().optional(),
  REVEILLE_RUN_TOKEN_SECRET_FILE: z.string().optional(),
};
type KeysConfig = Partial<Record<keyof typeof keysShape, string | undefined>>;

export interface InstallationKeys {
  /** 32 bytes; null: secrets cannot be stored or read. */
  masterKey: Buffer | null;
  /** Null: runs get no token. */
  tokenSecret: string | null;
}

/** @throws ConfigError naming the variable. */
export function readKeys(config: KeysConfig): InstallationKeys {
  const master = valueOf(config, "REVEILLE_SECRETS_MASTER_KEY");
  const token = valueOf(config, "REVEILLE_RUN_TOKEN_SECRET");
  if (token !== null && token.length < 32)
    throw wrong("REVEILLE_RUN_TOKEN_SECRET", "must have at least 32 characters");
  return { masterKey: master === null ? null : keyOf(master), tokenSecret: token };
}

function keyOf(text: string): Buffer {
  const key = Buffer.from(text, /^[0-9a-f]{64}$/i.test(text) ? "hex" : "base64");
  if (key.length !== 32)
    throw wrong("REVEILLE_SECRETS_MASTER_KEY", "must be 32 bytes, as 64 hex digits or base64");
  return key;
}

function valueOf(
  config: KeysConfig,
  name: "REVEILLE_SECRETS_MASTER_KEY" | "REVEILLE_RUN_TOKEN_SECRET",
): string | null {
  const value = config[name];
  if (value) return value;
  const file = config[`${name}_FILE`];
  if (!file) return null;
  try {
    return readFileSync(file, "utf8").trim();
  } catch (error) {
    throw wrong(`${name}_FILE`, `cannot be read: ${(error as Error).message}`);
  }
}

const wrong = (name: string, why: string): ConfigError =>
  new ConfigError(`The environment is not right:\n  ${name}: ${why}`);
