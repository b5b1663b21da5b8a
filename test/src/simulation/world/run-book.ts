// Owns what must be true of one run's row whenever it changes (I7, I10, I20), seen against the row before. Knows no statement: it is
// shown rows.
import type { Findings } from "./findings.js";
import type { ProcessBook } from "./process-book.js";
import { hasSlot, isAtWork, isOver } from "./rows.js";
import type { AgentRow, RunRow } from "./rows.js";

/** From a status to those that may follow it; a new run begins at `none`. */
const followers: Readonly<Record<string, readonly string[]>> = {
  none: ["queued", "cancelled", "failed"],
  queued: ["queued", "running", "cancelled", "failed"],
  running: ["running", "succeeded", "failed", "cancelled", "timed_out"],
};
/** What says how a run ended: none of it changes any more. */
const finalColumns = [
  "status",
  "error",
  "error_code",
  "exit_code",
  "signal",
  "finished_at",
  "started_at",
  "usage_json",
  "result_json",
  "last_event_seq",
  "log_bytes",
  "log_sha256",
  "attempt",
] as const satisfies readonly (keyof RunRow)[];
const closedGates: ReadonlySet<string> = new Set(["paused", "terminated", "pending_approval"]);

export class RunBook {
  readonly #findings: Findings;
  readonly #processes: ProcessBook;
  readonly #known = new Map<string, RunRow>();
  /** The last event of each run. */
  readonly #events = new Map<string, { seq: number; closing: boolean }>();

  constructor(findings: Findings, processes: ProcessBook) {
    this.#findings = findings;
    this.#processes = processes;
  }

  /** The row as it was when it was seen last. */
  known(runId: string): RunRow | undefined {
    return this.#known.get(runId);
  }
  /** Every run that ever was, as it was seen last. */
  get all(): Iterable<RunRow> {
    return this.#known.values();
  }

  /** A row that was committed; call after the events of the same statement. */
  changed(run: RunRow, agent: AgentRow | undefined): void {
    const before = this.#known.get(run.id);
    if (before === run) return;
    this.#known.set(run.id, run);
    const hold = (condition: boolean, invariant: string, what: string): void =>
      this.#findings.hold(
        condition,
        invariant,
        () => `${what}: run ${run.id}, ${said(before)} to ${said(run)}`,
      );
    if (before && isOver(before.status)) {
      hold(
        finalColumns.every((column) => same(before[column], run[column])),
        "I10",
        "a run that is over changes",
      );
      return;
    }
    const allowed = followers[before?.status ?? "none"] ?? [];
    hold(allowed.includes(run.status), "I10", "a status follows that may not");
    const over = isOver(run.status);
    hold(
      over === (run.finished_at !== null) && over !== run.live && over === (run.phase === "over"),
      "I10",
      "a run that is half over",
    );
    hold(
      !run.holds_issue || (run.issue_id !== null && hasSlot(run)),
      "I11",
      "a lock is held without a slot",
    );
    hold(
      !over || run.started_at === null || run.finished_at! >= run.started_at,
      "I21",
      "an end before its start",
    );
    const last = this.#events.get(run.id);
    hold(
      run.last_event_seq === (last?.seq ?? 0),
      "I7",
      "the number of the last event is not theirs",
    );
    hold(
      over === (last?.closing ?? false),
      "I7",
      "an end without its closing event, or the event without the end",
    );
    this.#goes(before, run, agent, hold);
    this.#processEnds(before, run, hold);
  }

  event(event: { runId: string; seq: number; eventType: string; message?: string | null }): void {
    const { runId, seq, eventType, message } = event;
    const last = this.#events.get(runId);
    const what = (): string => `run ${runId}: event ${seq} (${eventType}) after ${last?.seq ?? 0}`;
    this.#findings.hold(seq === (last?.seq ?? 0) + 1, "I7", what);
    this.#findings.hold(!last?.closing, "I7", () => `after its closing event, ${what()}`);
    const closing = eventType === "error" || overMessage.test(message ?? "");
    this.#events.set(runId, { seq, closing });
  }

  #goes(before: RunRow | undefined, run: RunRow, agent: AgentRow | undefined, hold: Hold): void {
    if (isAtWork(run)) {
      hold(
        run.status === "running" && run.started_at !== null && run.log_ref !== null,
        "I5",
        "a run at work without its start",
      );
      const sameAttempt =
        before !== undefined && isAtWork(before) && before.attempt === run.attempt;
      hold(
        !sameAttempt || before.claim_id === run.claim_id,
        "I5",
        "two claims have the go of one attempt",
      );
      if (!sameAttempt) {
        if (run.claim_id !== null) this.#processes.committedGo(run.claim_id);
        hold(
          run.phase === "cancelling" || agent === undefined || !closedGates.has(agent.status),
          "I20",
          `a go for an agent that is ${agent?.status}`,
        );
      }
    }
    const attempts = run.attempt - (before?.attempt ?? 0);
    hold(attempts === 0 || attempts === 1, "I5", "attempts are not counted one by one");
    hold(
      before === undefined || before.started_at === null || before.started_at === run.started_at,
      "I10",
      "the start changes",
    );
  }

  /** What leaves a process behind must not say that it is over, nor be tried again. */
  #processEnds(before: RunRow | undefined, run: RunRow, hold: Hold): void {
    if (!before || !isAtWork(before)) return;
    if (isAtWork(run) && run.attempt === before.attempt) return;
    hold(
      !this.#processes.lives(before.id, before.attempt),
      "I8",
      "an attempt is over and its process lives",
    );
  }
}

type Hold = (condition: boolean, invariant: string, what: string) => void;
const overMessage = /^run (succeeded|failed|cancelled|timed_out)$/;
const same = (a: unknown, b: unknown): boolean =>
  a === b || JSON.stringify(a) === JSON.stringify(b);
const said = (run: RunRow | undefined): string =>
  run ? `${run.status}/${run.phase}/attempt ${run.attempt}` : "none";
