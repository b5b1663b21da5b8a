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
import type { AdapterCatalog } from "./adapters/catalog.js";
import { readLimits } from "./adapters/limits.js";
import type { LimitDefaults } from "./adapters/limits.js";
import { runAdapter } from "./adapter-run.js";
import type { AdapterRunParts } from "./adapter-run.js";
import { cancelledBeforeStart, failedResult, stoppedResult } from "./core/outcome.js";
import type { StopLine } from "./core/stop.js";
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
  const preparation = await prepare(parts, execution, granted, line);
  // Whatever could not be had then: nobody wants it any more.
  if (line.stop) return notStarted(cancelledBeforeStart);
  if (!preparation.ok) return notStarted(preparation.result);
  const { prepared } = preparation;
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
