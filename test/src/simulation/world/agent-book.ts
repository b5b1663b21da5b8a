// Owns what must be true of an agent and of its issues' rows after every commit: slots (I2), locks in Postgres (I11), status (I20), money
// (I18). Reads rows, never messages.
import type { Tables } from "../store/tables.js";
import type { Findings } from "./findings.js";
import { hasSlot, isAtWork } from "./rows.js";
import type { AgentRow, RunRow } from "./rows.js";

const gates: ReadonlySet<string> = new Set(["paused", "terminated", "pending_approval"]);
/** As the product clamps it. */
const slotsMax = 10;

export class AgentBook {
  readonly #findings: Findings;
  readonly #tables: Tables;
  /** Slots, as they were when it was looked at last. */
  readonly #slots = new Map<string, { taken: number; limit: number }>();
  /** What agents' costs come to, in micro-dollars: of all, and of those that came with a run's end. */
  readonly #spent = new Map<string, { all: number; ofRuns: number }>();
  /** The largest limit that the agent ever had. */
  readonly #limits = new Map<string, number>();

  constructor(findings: Findings, tables: Tables) {
    this.#findings = findings;
    this.#tables = tables;
  }

  /** What processes may be there at once: the largest limit that was ever seen, or slots that were ever given. */
  largestLimit(agentId: string): number {
    const agent = this.#tables.agents.get(agentId);
    return Math.max(this.#limits.get(agentId) ?? 1, agent ? limitOf(agent) : 1);
  }

  cost(agentId: string, micros: number, ofRun: boolean): void {
    const spent = this.#spent.get(agentId) ?? { all: 0, ofRuns: 0 };
    spent.all += micros;
    if (ofRun) spent.ofRuns += micros;
    this.#spent.set(agentId, spent);
    this.#findings.hold(micros >= 0, "I18", () => `a negative cost of agent ${agentId}`);
  }

  /** The rows of this agent were written; `configured`: its configuration too, perhaps more than once. */
  changed(agentId: string, configured: boolean): void {
    const agent = this.#tables.agents.get(agentId);
    if (!agent || agent.deleted_at !== null) return;
    const runs = this.#tables.heartbeat_runs.by("live", agentId);
    this.#slotsFit(agent, runs, configured);
    this.#statusFits(agent, runs);
    this.#moneyFits(agent);
  }

  /** The issue's row and the run that holds it say the same. */
  issue(issueId: string): void {
    const issue = this.#tables.issues.get(issueId);
    const holders = this.#tables.heartbeat_runs.by("runs_issue_holder", issueId);
    this.#findings.hold(
      holders.length <= 1,
      "I11",
      () => `${holders.length} holders of issue ${issueId}`,
    );
    if (!issue) return;
    const holder = holders[0]?.id ?? null;
    this.#findings.hold(
      issue.execution_run_id === holder,
      "I11",
      () => `issue ${issueId} names ${issue.execution_run_id}, held by ${holder}`,
    );
  }

  #slotsFit(agent: AgentRow, runs: readonly RunRow[], configured: boolean): void {
    const slots = runs.filter(hasSlot).length;
    const limit = limitOf(agent);
    const before = this.#slots.get(agent.id) ?? { taken: 0, limit };
    this.#limits.set(agent.id, Math.max(this.largestLimit(agent.id), slots));
    this.#slots.set(agent.id, { taken: slots, limit });
    // A lowered limit takes nobody's slot away, and one batch may raise the limit, give slots and lower it.
    const between = configured ? slotsMax : 0;
    this.#findings.hold(
      slots <= Math.max(limit, before.limit, before.taken, between),
      "I2",
      () => `${slots} slots of agent ${agent.id}, which may have ${limit}`,
    );
  }

  #statusFits(agent: AgentRow, runs: readonly RunRow[]): void {
    const shows = agent.status === "running";
    const running = runs.some(({ status }) => status === "running");
    const atWork = runs.some(isAtWork);
    this.#findings.hold(
      !shows || running,
      "I20",
      () => `agent ${agent.id} shows as running without a run`,
    );
    this.#findings.hold(
      !atWork || shows || gates.has(agent.status),
      "I20",
      () => `agent ${agent.id} has a run at work and is ${agent.status}`,
    );
  }

  #moneyFits(agent: AgentRow): void {
    const spent = this.#spent.get(agent.id) ?? { all: 0, ofRuns: 0 };
    this.#findings.hold(
      agent.spent_monthly_micros === spent.all,
      "I18",
      () => `agent ${agent.id} spent ${agent.spent_monthly_micros}, its costs are ${spent.all}`,
    );
    const state = this.#tables.agent_runtime_state.get(agent.id);
    this.#findings.hold(
      (state?.total_cost_micros ?? 0) === spent.ofRuns,
      "I18",
      () =>
        `the runs of agent ${agent.id} cost ${spent.ofRuns}, its total is ${state?.total_cost_micros}`,
    );
  }
}

function limitOf({ runtime_config }: AgentRow): number {
  const heartbeat = (runtime_config as { heartbeat?: { maxConcurrentRuns?: number } } | null)
    ?.heartbeat;
  return Math.min(slotsMax, Math.max(1, Math.floor(heartbeat?.maxConcurrentRuns ?? 1)));
}
