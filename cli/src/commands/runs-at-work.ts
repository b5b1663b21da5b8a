/** `reveille logs` and `reveille cancel`: reading what a run writes, and ending it. */
import { Option } from "commander";
import type { Command } from "commander";
import { replayLog } from "@reveille/shared/nats/log-stream";
import { logStreamNames } from "@reveille/shared/protocol/subjects";
import type { LogStreamName } from "@reveille/shared/protocol/subjects";
import type { Context } from "../context.js";
import { exitCodeOfRun, exitCodes } from "../failure.js";
import type { ExitCode } from "../failure.js";
import { followRun, isOver, waitForRun } from "../follow-run.js";
import { printLog } from "../log-printer.js";
import type { Action } from "../action.js";
import { orDash } from "../output.js";
import { resolveRun } from "../resolve.js";
import { runOutcome, shortId } from "../run-view.js";

interface LogsOptions {
  follow?: boolean;
  stream?: LogStreamName;
}

export function registerRunsAtWork(program: Command, action: Action): void {
  program
    .command("logs <run>")
    .description("print a run's log, byte for byte")
    .option("-f, --follow", "go on while the run writes; the exit code is the run's")
    .addOption(new Option("--stream <stream>", "only this stream").choices([...logStreamNames]))
    .addHelpText(
      "after",
      `
Examples:
  reveille logs 3f2a81c0
  reveille logs 3f2a81c0 -f --stream stderr
  reveille logs 3f2a81c0 > run.log
  reveille logs 3f2a81c0 --json | jq -r 'select(.stream == "stdout") | .text'`,
    )
    .action(action<LogsOptions>(({ context, options, args }) => logs(context, args[0]!, options)));
  program
    .command("cancel <run>")
    .description("end a run: a queued one at once, a running one when its processes are dead")
    .option("--wait", "until it is over")
    .action(
      action<{ wait?: boolean }>(({ context, options, args }) =>
        cancel(context, args[0]!, options),
      ),
    );
}

async function logs(context: Context, wanted: string, options: LogsOptions): Promise<ExitCode> {
  const run = await resolveRun(context.api, wanted, context.options.company);
  const target = { companyId: String(run["companyId"]), runId: String(run["id"]) };
  const filter = options.stream === undefined ? {} : { stream: options.stream };
  if (options.follow) {
    const last = await followRun(context, target, filter);
    context.output.record({ type: "run", run: last });
    context.output.note(runOutcome(last, context.output.paint, Date.now()));
    return exitCodeOfRun(last["status"]);
  }
  const source = { bus: await context.bus(), subjects: context.subjects, ...target };
  await printLog(context.output, replayLog(source), filter);
  if (run["logCut"]) context.output.note(`the log is not complete: ${orDash(run["logCut"])}`);
  return exitCodes.ok;
}

async function cancel(
  context: Context,
  wanted: string,
  options: { wait?: boolean },
): Promise<ExitCode> {
  const { api, output } = context;
  const run = await resolveRun(api, wanted, context.options.company);
  const wasOver = isOver(run);
  let row = await api.post(`/heartbeat-runs/${String(run["id"])}/cancel`);
  if (options.wait && !isOver(row))
    row = await waitForRun(context, {
      companyId: String(run["companyId"]),
      runId: String(run["id"]),
    });
  output.document(row);
  if (wasOver) output.line(`run ${shortId(run["id"])} was over already: ${String(row["status"])}`);
  else if (isOver(row)) output.line(runOutcome(row, output.paint, Date.now()));
  else output.line(`run ${shortId(run["id"])} is being cancelled; its processes are told to end`);
  return exitCodes.ok;
}
