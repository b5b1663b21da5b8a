/**
 * The adapter `noop`, for benches and tests: everything that `process` does, except that no process is
 * started. It waits `delayMs` (default 0), then ends with `exitCode` (default 0).
 */
import { processResult } from "../core/outcome.js";
import type { ProcessEnd } from "../core/outcome.js";
import type { StopLine } from "../core/stop.js";
import { readPlan } from "./plan.js";
import type { Adapter } from "./adapter.js";

const delayMsMax = 3_600_000;

export const noopAdapter: Adapter = {
  type: "noop",
  inProcess: true,
  plan: (context) => readPlan("noop", context),
  execute: async (plan, context) => {
    const { delayMs, exitCode } = context.execution.adapterConfig;
    const end = await waited(number(delayMs, delayMsMax), number(exitCode, 255), context.line);
    return processResult(end, context.line.stop, plan.timeoutSec, () => ({
      stdout: "",
      stderr: "",
    }));
  },
};

const number = (value: unknown, max: number): number =>
  typeof value === "number" && value > 0 ? Math.min(Math.trunc(value), max) : 0;

function waited(
  delayMs: number,
  exitCode: number,
  line: StopLine,
): Promise<ProcessEnd> | ProcessEnd {
  const ended: ProcessEnd = { exitCode, signal: null, startError: null };
  if (delayMs === 0) return ended;
  return new Promise((resolve) => {
    const timer = setTimeout(() => resolve(ended), delayMs);
    line.listen(() => {
      clearTimeout(timer);
      resolve({ exitCode: null, signal: "SIGTERM", startError: null });
    });
  });
}
