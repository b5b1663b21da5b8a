/**
 * The adapter `noop`, for benches and tests: everything that `process` does, except that no process is
 * started. It waits `delayMs` (default 0), then ends with `exitCode` (default 0).
 */
import { z } from "zod";
import type { AdapterContext, ProcessEnd } from "../adapter.js";
import { defineAdapter } from "../adapter.js";
import { processResult } from "../core/outcome.js";

const delayMsMax = 3_600_000;

export const noopAdapter = defineAdapter({
  type: "noop",
  label: "No operation",
  starts: "nothing",
  configSchema: z.looseObject({
    delayMs: z.number().min(0).max(delayMsMax).optional().describe("Waits so long before it ends"),
    exitCode: z.number().int().min(0).max(255).optional().describe("What it ends with"),
  }),
  configurationDoc: "For benches and tests: ends by itself, starts nothing.",
  execute: async (context) => {
    const { delayMs, exitCode } = context.config;
    context.invoked({ command: "noop", commandArgs: [], cwd: context.workspace.cwd });
    const end = await waited(number(delayMs, delayMsMax), number(exitCode, 255), context);
    return processResult(end, () => ({ stdout: "", stderr: "" }));
  },
});

const number = (value: unknown, max: number): number =>
  typeof value === "number" && value > 0 ? Math.min(Math.trunc(value), max) : 0;

function waited(
  delayMs: number,
  exitCode: number,
  { signal }: AdapterContext,
): Promise<ProcessEnd> | ProcessEnd {
  const ended: ProcessEnd = { exitCode, signal: null, startError: null };
  if (delayMs === 0) return ended;
  return new Promise((resolve) => {
    const timer = setTimeout(() => resolve(ended), delayMs);
    const stop = (): void => {
      clearTimeout(timer);
      resolve({ exitCode: null, signal: "SIGTERM", startError: null });
    };
    if (signal.aborted) stop();
    else signal.addEventListener("abort", stop, { once: true });
  });
}
