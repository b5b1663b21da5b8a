/** The adapter `process`: any command, with its arguments as they are, never through a shell. */
import { findCommand } from "../command-path.js";
import { processResult } from "../core/outcome.js";
import { readPlan } from "./plan.js";
import type { Adapter } from "./adapter.js";

/** Of each stream, in the result: enough for an answer, far from the message limit (512 KiB). */
const outputBytesMax = 64 * 1024;

export const processAdapter: Adapter = {
  type: "process",
  inProcess: false,
  plan: (context) => {
    const { command } = context.execution.adapterConfig;
    if (typeof command !== "string" || command.trim() === "")
      return { ok: false, message: "Process adapter missing command" };
    return readPlan(command, context);
  },
  execute: async (plan, context) => {
    const found = findCommand(plan.command, plan.cwd, context.environment.all["PATH"] ?? "");
    const end = found.ok
      ? await context.launch({ path: found.path, plan })
      : { exitCode: null, signal: null, startError: found.reason };
    return processResult(end, context.line.stop, plan.timeoutSec, () => ({
      stdout: context.log.tail("stdout", outputBytesMax),
      stderr: context.log.tail("stderr", outputBytesMax),
    }));
  },
};
