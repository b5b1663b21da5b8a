/**
 * The part of the configuration that adapters share: limits, working directory, arguments. Wrong types
 * are errors that name the field; absent ones have defaults.
 */
import { isAbsolute } from "node:path";
import type { AdapterContext, Plan, Planned } from "./adapter.js";

/** The reference's default; a second is its least. */
const graceSecDefault = 15;
const graceSecMin = 1;
/** What a timer can hold (2^31 ms), a little less. */
const secondsMax = 2_147_000;
const argsMax = 4_096;

/** Reads `command`, `args`, `cwd`, `timeoutSec` and `graceSec`; the adapter has checked the command. */
export function readPlan(command: string, context: AdapterContext): Planned {
  const { adapterConfig } = context.execution;
  const wrong = (field: string, must: string): Planned => ({
    ok: false,
    message: `adapterConfig.${field} must be ${must}`,
  });
  const args = adapterConfig["args"] ?? [];
  if (
    !Array.isArray(args) ||
    args.length > argsMax ||
    !args.every((arg) => typeof arg === "string")
  )
    return wrong("args", `a list of at most ${argsMax} strings`);
  const cwd = adapterConfig["cwd"] ?? null;
  if (cwd !== null && (typeof cwd !== "string" || (cwd !== "" && !isAbsolute(cwd))))
    return wrong("cwd", "an absolute path");
  const timeoutSec = seconds(adapterConfig["timeoutSec"], 0);
  if (timeoutSec === null) return wrong("timeoutSec", "a number of seconds");
  const graceSec = seconds(adapterConfig["graceSec"], graceSecDefault);
  if (graceSec === null) return wrong("graceSec", "a number of seconds");
  const plan: Plan = {
    command,
    args: args as string[],
    cwd: cwd || context.home,
    timeoutSec: timeoutSec > 0 ? timeoutSec : context.timeoutSecDefault,
    graceMs: Math.max(graceSecMin, graceSec) * 1_000,
  };
  return { ok: true, plan };
}

function seconds(value: unknown, absent: number): number | null {
  if (value === undefined || value === null) return absent;
  if (typeof value !== "number" || !Number.isFinite(value) || value < 0) return null;
  return Math.min(value, secondsMax);
}
