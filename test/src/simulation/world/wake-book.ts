// Owns what must be true of wakes' rows whenever they change (I3): one end for each, and the end of its run. Reads rows alone.
import type { Tables } from "../store/tables.js";
import type { Findings } from "./findings.js";
import { closedWakeStatuses, isOver } from "./rows.js";
import type { WakeRow } from "./rows.js";

const openStatuses: ReadonlySet<string> = new Set([
  "queued",
  "claimed",
  "deferred_issue_execution",
]);

export class WakeBook {
  readonly #findings: Findings;
  readonly #tables: Tables;
  readonly #known = new Map<string, WakeRow>();

  constructor(findings: Findings, tables: Tables) {
    this.#findings = findings;
    this.#tables = tables;
  }

  /** Every wake that ever had a row, as it was seen last. */
  get all(): Iterable<WakeRow> {
    return this.#known.values();
  }

  changed(wake: WakeRow): void {
    const before = this.#known.get(wake.id);
    if (before === wake) return;
    this.#known.set(wake.id, wake);
    const hold = (condition: boolean, invariant: string, what: string): void =>
      this.#findings.hold(
        condition,
        invariant,
        () =>
          `${what}: wake ${wake.wake_id} (${wake.id}), ${before?.status ?? "none"} to ${wake.status}`,
      );
    const closed = closedWakeStatuses.has(wake.status);
    hold(closed || openStatuses.has(wake.status), "I3", "an unknown status");
    hold(
      closed === (wake.finished_at !== null),
      "I3",
      "an end without its time, or the time without an end",
    );
    hold(
      !before ||
        !closedWakeStatuses.has(before.status) ||
        (before.status === wake.status && before.finished_at === wake.finished_at),
      "I3",
      "a wake that is closed changes",
    );
    hold(wake.waits === (wake.status === "deferred_issue_execution"), "I4", "a wait that is none");
    if (wake.status === "coalesced" || wake.run_id === null) return;
    const run = this.#tables.heartbeat_runs.get(wake.run_id);
    hold(run !== undefined, "I3", "its run is missing");
    if (!run || wake.status === "skipped") return;
    hold(isOver(run.status) === closed, "I3", `it is ${wake.status}, its run ${run.status}`);
    const expected = run.status === "succeeded" ? "completed" : run.status;
    hold(!closed || wake.status === expected, "I3", `it is ${wake.status}, its run ${run.status}`);
  }
}
