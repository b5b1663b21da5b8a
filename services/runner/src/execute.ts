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
import type { AdapterCatalog } from "./adapters/catalog.js";
import { readLimits } from "./adapters/limits.js";
import type { LimitDefaults } from "./adapters/limits.js";
import { runAdapter } from "./adapter-run.js";
import type { AdapterRunParts } from "./adapter-run.js";
import { cancelledBeforeStart, failedResult, stoppedResult } from "./core/outcome.js";
import type { StopLine } from "./core/stop.js";
import { warningEvent } from "./warning-event.js";
import { prepare } from "./prepare.js";
import type { PrepareParts } from "./prepare.js";
import type { RunLog } from "./run-log.js";

type FromRunner = Pick<AdapterRunParts, "trees" | "onStart" | "lostBy" | "logger">;
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
}

/** Runs one execution to its end. A stop that was asked for is obeyed. */
export async function runExecution(
  parts: ExecuteParts,
  execution: Execution,
  log: RunLog,
  line: StopLine,
  telling: Telling,
): Promise<Executed> {
  const notStarted = (result: RunResult): Executed => ({ result, containment: "in_process" });
  const tell = (event: RunEvent): void => telling.tell(event);
  const adapter = parts.adapters.find(execution.adapterType);
  if (!adapter)
    return notStarted(
      failedResult(
        `Unknown adapter type "${execution.adapterType.slice(0, 100)}"; this runner has: ${parts.adapters.types.join(", ")}`,
        "adapter_unknown",
      ),
    );
  const preparation = await prepare(parts, execution);
  if (!preparation.ok) return notStarted(preparation.result);
  const { prepared } = preparation;
  const read = readLimits(prepared.config, parts.limitDefaults);
  if (!read.ok) return notStarted(failedResult(read.message));
  for (const refused of prepared.environment.refused)
    tell(warningEvent(`environment variable left out: ${refused}`));
  if (line.stop) return notStarted(cancelledBeforeStart);
  const { limits } = read;
  const result = await runAdapter({
    ...parts,
    execution,
    adapter,
    prepared,
    limits,
    log,
    line,
    tell,
    used: (soFar) => telling.used(soFar),
  });
  return {
    result: stoppedResult(result, line.stop),
    containment: adapter.starts === "nothing" ? "in_process" : parts.trees.kind,
  };
}
