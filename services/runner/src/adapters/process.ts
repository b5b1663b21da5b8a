/** The adapter `process`: any command, with its arguments as they are, never through a shell. */
import { isAbsolute } from "node:path";
import { z } from "zod";
import { defineAdapter } from "../adapter.js";
import { failedResult, processResult, withReported } from "../core/outcome.js";
import { checkProcess } from "./process-checks.js";
import { watchResultFile } from "./result-file.js";

/** Of each stream, in the result: enough for an answer, far from the message limit (512 KiB). */
const outputBytesMax = 64 * 1024;
/** Far above what people write, far below what the kernel takes (128 KiB an argument, 2 MiB in all). */
const argsMax = 4_096;

const configSchema = z.looseObject({
  command: z.string("Process adapter missing command").describe("A name in PATH, or a path"),
  args: z
    .array(z.string(), `must be a list of at most ${argsMax} strings`)
    .max(argsMax)
    .nullish()
    .describe("Passed on as they are, never through a shell"),
  cwd: z
    .string("must be an absolute path")
    .refine((path) => path === "" || isAbsolute(path), "must be an absolute path")
    .nullish()
    .describe("Default: the workspace"),
});

export const processAdapter = defineAdapter({
  type: "process",
  label: "Process",
  starts: "processes",
  configSchema,
  configurationDoc:
    "Runs `command` with `args` in `cwd`; the exit code decides. The last line of the file named by " +
    "REVEILLE_RESULT_FILE may tell usage, cost, session and summary as JSON.",
  test: checkProcess,
  execute: async (context) => {
    const { command } = context.config;
    if (typeof command !== "string" || command.trim() === "")
      return failedResult("Process adapter missing command");
    const read = configSchema.safeParse(context.config);
    if (!read.success) return failedResult(issueText(read.error));
    const { args, cwd } = read.data;
    const path = context.privateFile();
    const file = watchResultFile(path, (used) => context.report(used));
    const end = await context.launch({
      command,
      args: args ?? [],
      cwd: cwd || context.workspace.cwd,
      env: { REVEILLE_RESULT_FILE: path },
    });
    const said = file.close();
    if (said && said.wrong.length > 0)
      context.warn(`in the last line of REVEILLE_RESULT_FILE: ${said.wrong.join("; ")}`);
    // Cut off by a limit, what it printed is no answer; the excerpts have it.
    const limited = context.stop === "timeout" || context.stop === "idle";
    const output = () => ({
      stdout: context.tail("stdout", outputBytesMax),
      stderr: context.tail("stderr", outputBytesMax),
    });
    return withReported(processResult(end, limited ? null : output), said?.reported ?? {});
  },
});

function issueText(error: z.ZodError): string {
  const [issue] = error.issues;
  return `adapterConfig.${String(issue?.path[0])} ${issue?.message}`;
}
