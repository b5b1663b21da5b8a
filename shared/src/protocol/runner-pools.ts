/**
 * Which pools of runners a system has, as `REVEILLE_RUNNER_POOLS` says: the topology keeper makes their
 * consumers, a gateway lets agents choose among them. Knows no runner and no server.
 */
import { z } from "zod";
import { isPoolName } from "./subjects.js";

/** Where agents that choose none have their runs. It is always there. */
export const defaultPool = "default";
/** 100: each is a consumer of EXEC, which admits 256, and a deployment that somebody looks after. */
const poolsMax = 100;

/** `runtimeConfig.runner.pool` as it is, lenient: undefined when nothing (or nothing readable) is said. */
export function chosenPool(runtimeConfig: unknown): string | undefined {
  const runner = (runtimeConfig as { runner?: unknown } | null | undefined)?.runner;
  const pool = (runner as { pool?: unknown } | null | undefined)?.pool;
  return typeof pool === "string" ? pool : undefined;
}

/** `runtimeConfig.runner`: what may be said of it. Whether there is such a pool is not known here. */
export const runnerChoiceSchema = z.strictObject({ pool: z.string().nullish() });

const namesOf = (text: string): string[] => [
  ...new Set([defaultPool, ...text.split(",").map((name) => name.trim())]),
];

/** Names by commas, in their order and each once, `default` always the first of them. */
export const poolsShape = {
  REVEILLE_RUNNER_POOLS: z
    .string()
    .refine(
      (text) => namesOf(text).every(isPoolName),
      "must be names of pools by commas: lower-case letters, digits and inner dashes, at most 32 each",
    )
    .refine((text) => namesOf(text).length <= poolsMax, `must be at most ${poolsMax} pools`)
    .transform(namesOf)
    .default([defaultPool]),
};
