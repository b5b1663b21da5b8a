/**
 * Configuration from the environment: one zod shape per service over these parts. A bad value names
 * its variable and what would be right, and the process ends before it touches anything.
 */
import { z } from "zod";
import { tracingShape } from "./tracing-config.js";

/** Raised for a bad environment; the message is complete and for people. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
}

export const port = z.coerce.number().int().min(0).max(65_535);
export const integer = (min: number, max: number) => z.coerce.number().int().min(min).max(max);

/** What every service reads. */
export const commonShape = {
  NATS_URL: z.string().min(1).default("nats://127.0.0.1:4222"),
  /** File with a user's JWT and seed (operator mode); without any, user and password stand in NATS_URL. */
  NATS_CREDS_FILE: z.string().optional(),
  /** File with a user's nkey seed (users in the server's configuration). */
  NATS_NKEY_FILE: z.string().optional(),
  REVEILLE_SUBJECT_PREFIX: z
    .string()
    .regex(/^[A-Za-z0-9_-]{1,32}$/, "must be one token of letters, digits, - and _")
    .default("rv"),
  REVEILLE_LOG_LEVEL: z
    .enum(["trace", "debug", "info", "warn", "error", "fatal", "silent"])
    .default("info"),
  ...tracingShape,
  /** Port of /livez, /readyz, /metrics on the service itself; unset: none. */
  REVEILLE_HEALTH_PORT: port.optional(),
  REVEILLE_HEALTH_HOST: z.string().default("127.0.0.1"),
};
export const databaseShape = {
  DATABASE_URL: z.string().regex(/^postgres(ql)?:\/\//, "must be a postgres:// URL"),
};

/** Reads a configuration; empty variables count as unset. @throws ConfigError naming each bad variable. */
export function readConfig<Shape extends z.ZodRawShape>(
  shape: Shape,
  env: Readonly<Record<string, string | undefined>> = process.env,
): z.output<z.ZodObject<Shape>> {
  const set = Object.fromEntries(
    Object.entries(env).filter(([key, value]) => key in shape && value !== ""),
  );
  const read = z.object(shape).safeParse(set);
  if (read.success) return read.data;
  const lines = read.error.issues.map((issue) => {
    const name = issue.path.join(".");
    return `  ${name}: ${set[name] === undefined ? "is not set, but required" : issue.message}`;
  });
  throw new ConfigError(`The environment is not right:\n${lines.join("\n")}`);
}
