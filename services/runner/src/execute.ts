/**
 * Between the go and the result: adapter, environment, home, timeout, process tree. Says what happened;
 * what becomes of it (report, loss) is not decided here.
 */
import { existsSync, mkdirSync } from "node:fs";
import type { Execution, RunEvent, RunResult } from "@reveille/shared/protocol/execution";
import type { Logger } from "@reveille/shared/runtime/log";
import type { Adapter, AdapterContext, Plan } from "./adapters/adapter.js";
import { adapterTypes, findAdapter } from "./adapters/catalog.js";
import { LifelineGone } from "./containment/tree.js";
import type { Trees } from "./containment/tree.js";
import { runEnvironment } from "./core/environment.js";
import type { RunEnvironment } from "./core/environment.js";
import { boundedInvocation } from "./core/invocation.js";
import { cancelledBeforeStart, failedResult } from "./core/outcome.js";
import type { LostReason, StopLine } from "./core/stop.js";
import { runProcess } from "./process-run.js";
import type { RunLog } from "./run-log.js";

export interface ExecuteParts {
  /** What every run inherits of our own environment. */
  inherited: Readonly<Record<string, string>>;
  apiUrl: string;
  workDir: string;
  timeoutSecDefault: number;
  trees: Trees;
  /** A process is about to be started, with or without a spare. */
  onStart: (spare: boolean) => void;
  lostBy: () => LostReason | null;
  logger: Logger;
}
export interface Executed {
  result: RunResult;
  containment: "cgroup" | "best_effort" | "in_process";
}

/** Runs one execution to its end. Events go to `tell`; a stop that was asked for is obeyed. */
export async function runExecution(
  parts: ExecuteParts,
  execution: Execution,
  log: RunLog,
  line: StopLine,
  tell: (event: RunEvent) => void,
): Promise<Executed> {
  const notStarted = (result: RunResult): Executed => ({ result, containment: "in_process" });
  const adapter = findAdapter(execution.adapterType);
  if (!adapter)
    return notStarted(
      failedResult(
        `Unknown adapter type "${execution.adapterType.slice(0, 100)}"; this runner has: ${adapterTypes.join(", ")}`,
        "adapter_unknown",
      ),
    );
  const environment = runEnvironment(parts.inherited, execution, parts.apiUrl);
  if (environment.unresolved !== null)
    return notStarted(
      failedResult(
        `adapterConfig.env.${environment.unresolved} is a reference that cannot be resolved here`,
        "secret_unresolved",
      ),
    );
  const context: AdapterContext = {
    execution,
    home: home(parts.workDir, execution.agentId),
    environment,
    log,
    line,
    timeoutSecDefault: parts.timeoutSecDefault,
    launch: ({ path, plan }) => launch(parts, context, path, plan),
  };
  const planned = adapter.plan(context);
  if (!planned.ok) return notStarted(failedResult(planned.message));
  const { plan } = planned;
  for (const refused of environment.refused)
    tell(warning(`environment variable left out: ${refused}`));
  tell(invocation(adapter, plan, environment));
  if (line.stop) return notStarted(cancelledBeforeStart);
  const timeout = setTimeout(() => line.ask({ kind: "timeout" }), plan.timeoutSec * 1_000);
  try {
    const result = await adapter.execute(plan, context);
    return { result, containment: adapter.inProcess ? "in_process" : parts.trees.kind };
  } finally {
    clearTimeout(timeout);
  }
}

async function launch(parts: ExecuteParts, context: AdapterContext, path: string, plan: Plan) {
  const { execution, environment, log, line } = context;
  const notStarted = (startError: string) => ({ exitCode: null, signal: null, startError });
  try {
    const spec = {
      path,
      args: plan.args,
      cwd: plan.cwd,
      env: environment.all,
      graceMs: plan.graceMs,
    };
    const tree = parts.trees.open(execution.runId, execution.attempt, spec);
    parts.onStart(tree.spare);
    return await runProcess(tree, spec, log, line, parts.logger);
  } catch (error) {
    if (!(error instanceof LifelineGone)) throw error;
    // Whoever cut it will say why; if it was nobody we know, the guard cannot be alive.
    line.ask({ kind: "lost", reason: parts.lostBy() ?? "guard_gone" });
    return notStarted("the runner's lifeline was cut");
  }
}

/** The agent's folder. Its id is a UUID, checked when the execution was read. */
function home(workDir: string, agentId: string): string {
  const path = `${workDir}/${agentId}`;
  if (!existsSync(path)) mkdirSync(path, { recursive: true });
  return path;
}

const invocation = (adapter: Adapter, plan: Plan, environment: RunEnvironment): RunEvent => ({
  eventType: "adapter.invoke",
  stream: "system",
  level: "info",
  message: "adapter invocation",
  payload: boundedInvocation({
    adapterType: adapter.type,
    command: plan.command,
    commandArgs: plan.args,
    cwd: plan.cwd,
    env: environment.shown,
  }),
  at: new Date().toISOString(),
});

const warning = (message: string): RunEvent => ({
  eventType: "adapter.warning",
  stream: "system",
  level: "warn",
  message,
  at: new Date().toISOString(),
});
