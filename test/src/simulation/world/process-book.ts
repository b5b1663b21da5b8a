// Owns what is true of agent processes, the real ones of the simulated world: which live, which claims had their go, and what must hold
// whenever one starts (I1, I2, I5). It believes processes alone; what Postgres says comes in as facts.
import type { Findings } from "./findings.js";

/** One agent process (with its whole tree). */
export interface AgentProcess {
  companyId: string;
  agentId: string;
  issueId: string | null;
  runId: string;
  attempt: number;
  claimId: string;
  /** Ids of the comments in its context. */
  comments: readonly unknown[];
}

export class ProcessBook {
  readonly #findings: Findings;
  readonly #slotsOf: (agentId: string) => number;
  /** By run and attempt. */
  readonly #live = new Map<string, AgentProcess>();
  readonly #started = new Set<string>();
  /** Claims to which a committed statement gave the go. */
  readonly #goes = new Set<string>();
  readonly #startedRuns = new Set<string>();
  readonly #seenComments = new Set<unknown>();
  #starts = 0;

  /** `slotsOf`: how many processes the agent may have at once, by the largest limit it ever had. */
  constructor(findings: Findings, slotsOf: (agentId: string) => number) {
    this.#findings = findings;
    this.#slotsOf = slotsOf;
  }

  get live(): readonly AgentProcess[] {
    return [...this.#live.values()];
  }
  get starts(): number {
    return this.#starts;
  }
  lives(runId: string, attempt: number): boolean {
    return this.#live.has(keyOf({ runId, attempt }));
  }
  /** Did any process of it start? */
  hasStarted(runId: string): boolean {
    return this.#startedRuns.has(runId);
  }
  /** Was it in the context of a process that started? */
  sawComment(commentId: string): boolean {
    return this.#seenComments.has(commentId);
  }
  committedGo(claimId: string): void {
    this.#goes.add(claimId);
  }

  start(process: AgentProcess): void {
    const key = keyOf(process);
    const others = this.live;
    this.#starts += 1;
    const hold = (condition: boolean, invariant: string, what: string): void =>
      this.#findings.hold(
        condition,
        invariant,
        () => `${what}: run ${key}, claim ${process.claimId}`,
      );
    hold(this.#goes.has(process.claimId), "I5", "a process starts without a committed go");
    hold(!this.#started.has(key), "I5", "a second process starts for an attempt");
    hold(
      !others.some(({ runId }) => runId === process.runId),
      "I5",
      "an attempt starts while a process of the one before it lives",
    );
    hold(
      process.issueId === null || !others.some(({ issueId }) => issueId === process.issueId),
      "I1",
      `two live processes on the issue ${process.issueId}`,
    );
    const own = others.filter(({ agentId }) => agentId === process.agentId).length + 1;
    hold(own <= this.#slotsOf(process.agentId), "I2", `${own} live processes of one agent`);
    this.#started.add(key);
    this.#startedRuns.add(process.runId);
    for (const commentId of process.comments) this.#seenComments.add(commentId);
    this.#live.set(key, process);
  }
  /** Its whole tree is dead. */
  end(process: Pick<AgentProcess, "runId" | "attempt">): void {
    this.#live.delete(keyOf(process));
  }
}

const keyOf = ({ runId, attempt }: { runId: string; attempt: number }): string =>
  `${runId}:${attempt}`;
