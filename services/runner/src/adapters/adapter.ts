/**
 * What an adapter is: it reads its part of the agent's configuration into a plan, and carries the plan
 * out. It starts processes through the context alone, so that nothing of a run is outside its tree.
 */
import type { Execution, RunResult } from "@reveille/shared/protocol/execution";
import type { RunEnvironment } from "../core/environment.js";
import type { ProcessEnd } from "../core/outcome.js";
import type { StopLine } from "../core/stop.js";
import type { RunLog } from "../run-log.js";

export interface AdapterContext {
  execution: Execution;
  /** The agent's own folder; exists. Working directory unless configured otherwise. */
  home: string;
  environment: RunEnvironment;
  log: RunLog;
  line: StopLine;
  timeoutSecDefault: number;
  /** Starts one process in the run's tree; resolves when the whole tree is dead. */
  launch(spec: { path: string; plan: Plan }): Promise<ProcessEnd>;
}

/** What is going to be done, as the invocation event shows it. */
export interface Plan {
  command: string;
  args: string[];
  cwd: string;
  /** More than 0. */
  timeoutSec: number;
  graceMs: number;
}
export type Planned = { ok: true; plan: Plan } | { ok: false; message: string };

export interface Adapter {
  readonly type: string;
  /** How its processes are held: an adapter without processes has nothing to contain. */
  readonly inProcess: boolean;
  /** Reads the configuration; the message is for people and names the field. */
  plan(context: AdapterContext): Planned;
  /** Does it. The caller has armed the timeout, and takes care of the log's end. */
  execute(plan: Plan, context: AdapterContext): Promise<RunResult>;
}
