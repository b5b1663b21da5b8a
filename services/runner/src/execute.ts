/**
 * Between the go and the result: which adapter, what it needs, within which limits. Says what happened;
 * what becomes of it (report, loss) is not decided here.
 */
import type {
  Execution,
  RunEvent,
  RunResult,
  UsageSoFar,
} from "@reveille/shared/protocol/execution";
import type { TranscriptEntry } from "@reveille/shared/protocol/transcript";
import type { Clock } from "@reveille/shared/runtime/clock";
import type { Adapter } from "./adapter.js";
import type { AdapterCatalog } from "./adapters/catalog.js";
import { readLimits } from "./adapters/limits.js";
import type { LimitDefaults } from "./adapters/limits.js";
import { runAdapter } from "./adapter-run.js";
import type { AdapterRunParts } from "./adapter-run.js";
import { cancelledBeforeStart, failedResult, stoppedResult } from "./core/outcome.js";
import type { StopLine } from "./core/stop.js";
import { withWork, workEvent } from "./repository/work-told.js";
import type { SettledWork } from "./repository/settle.js";
import { warningEvent } from "./warning-event.js";
import { prepare } from "./prepare.js";
import type { Granted, Prepared, PrepareParts } from "./prepare.js";
import type { RunLog } from "./run-log.js";
import { maskedLog } from "./secrets/masked-log.js";

type FromRunner = Pick<
  AdapterRunParts,
  "clock" | "files" | "trees" | "onStart" | "lostBy" | "logger"
>;
export interface ExecuteParts extends PrepareParts, FromRunner {
  adapters: AdapterCatalog;
  limitDefaults: LimitDefaults;
}
export interface Executed {
  result: RunResult;
  containment: "cgroup" | "best_effort" | "in_process";
}
/** What is told while it runs. */
export interface Telling {
  tell(event: RunEvent): void;
  used(soFar: UsageSoFar): void;
  transcript(entry: TranscriptEntry): void;
}

/** Runs one execution to its end: nothing of it is alive then. A stop that was asked for is obeyed. */
export async function runExecution(
  parts: ExecuteParts,
  execution: Execution,
  granted: Granted,
  log: RunLog,
  line: StopLine,
  telling: Telling,
): Promise<Executed> {
  const notStarted = (result: RunResult): Executed => ({ result, containment: "in_process" });
  const adapter = parts.adapters.find(execution.adapterType);
  if (!adapter)
    return notStarted(
      failedResult(
        `Unknown adapter type "${execution.adapterType.slice(0, 100)}"; this runner has: ${parts.adapters.types.join(", ")}`,
        "adapter_unknown",
      ),
    );
  const clones = adapter.starts === "processes";
  const preparation = await prepare(parts, execution, granted, line, clones);
  if (!preparation.ok)
    // Whatever could not be had then: nobody wants it any more.
    return notStarted(line.stop ? cancelledBeforeStart : preparation.result);
  const { prepared } = preparation;
  return settledAfter(prepared, parts.clock, telling, () =>
    runPrepared(parts, execution, adapter, prepared, log, line, telling),
  );
}

async function runPrepared(
  parts: ExecuteParts,
  execution: Execution,
  adapter: Adapter,
  prepared: Prepared,
  log: RunLog,
  line: StopLine,
  telling: Telling,
): Promise<Executed> {
  const notStarted = (result: RunResult): Executed => ({ result, containment: "in_process" });
  if (line.stop) return notStarted(cancelledBeforeStart);
  const read = readLimits(prepared.config, { ...parts.limitDefaults, graceSec: adapter.graceSec });
  if (!read.ok) return notStarted(failedResult(read.message));
  for (const warning of prepared.warnings)
    telling.tell(warningEvent(warning, parts.clock.wallMs()));
  const { limits } = read;
  const run = { ...parts, execution, adapter, prepared, limits, line };
  const result = await runMasked(run, log, telling, prepared);
  return {
    result: stoppedResult(result, line.stop),
    containment: adapter.starts === "nothing" ? "in_process" : parts.trees.kind,
  };
}

/** Gives the working tree back when the work is over, and tells what is left in it. */
async function settledAfter(
  { checkout, mask }: Prepared,
  clock: Clock,
  telling: Telling,
  work: () => Promise<Executed>,
): Promise<Executed> {
  if (!checkout) return work();
  const settle = async (): Promise<SettledWork | null> => {
    const settled = await checkout.settle();
    if (!settled || settled.state === "clean") return null;
    const shown = mask ? mask.json(settled) : settled;
    telling.tell(workEvent(shown, clock.wallMs()));
    return shown;
  };
  let executed: Executed;
  try {
    executed = await work();
  } catch (error) {
    await settle();
    throw error;
  }
  const settled = await settle();
  return settled ? { ...executed, result: withWork(executed.result, settled) } : executed;
}

/** Runs the adapter so that nothing which is told, logged or answered shows a secret of the run. */
async function runMasked(
  run: Omit<AdapterRunParts, "log" | "tell" | "used" | "transcript">,
  log: RunLog,
  telling: Telling,
  { mask }: Prepared,
): Promise<RunResult> {
  const used = (soFar: UsageSoFar): void => telling.used(soFar);
  const transcript = (entry: TranscriptEntry): void => telling.transcript(entry);
  if (!mask)
    return runAdapter({ ...run, log, tell: (event) => telling.tell(event), used, transcript });
  const masked = maskedLog(log, mask, run.clock);
  const tell = (event: RunEvent): void => telling.tell(mask.json(event));
  try {
    const shown = (entry: TranscriptEntry): void => transcript(mask.json(entry));
    return mask.json(await runAdapter({ ...run, log: masked, tell, used, transcript: shown }));
  } catch (error) {
    throw new Error(mask.text((error as Error).message));
  } finally {
    masked.end();
  }
}
