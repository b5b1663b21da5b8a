// Owns the outside history of a soak: every operation's lines, appended as they happen, and what of them is still without an end. Knows
// nothing of how a question is asked.
import { appendFileSync, writeFileSync } from "node:fs";
import { historyLine, type HistoryLine } from "@reveille/shared/evidence/history";

/** What an operation is about, without its phase and time. */
export type Asked = Omit<HistoryLine, "at" | "phase" | "outcome" | "status">;
/** What its answer adds. */
export type Answer = Partial<
  Pick<HistoryLine, "wakeId" | "runId" | "commentId" | "outcome" | "status">
>;

/** A wake that somebody said yes to and that nobody has decided yet: JetStream may be the only one who has it. */
export interface Undecided {
  asked: Asked;
  agentId: string;
  wakeId: string;
}

export interface HistoryWriter {
  readonly file: string;
  invoke(asked: Asked): void;
  ok(asked: Asked, answer?: Answer): void;
  fail(asked: Asked, answer?: Answer): void;
  info(asked: Asked): void;
  /** Answered and not decided, as far as the answers say. */
  undecided(): Undecided[];
  /** Their verdicts are known: they can not be lost any more. */
  decided(wakeIds: Iterable<string>): void;
  /** Operations by kind and their latest phase, for the figures. */
  counts(): Record<string, Record<string, number>>;
}

/** Begins a new file. */
export function openHistory(file: string): HistoryWriter {
  writeFileSync(file, "");
  const phases = new Map<string, { op: string; phase: string }>();
  const undecided = new Map<string, Undecided>();
  const write = (asked: Asked, phase: HistoryLine["phase"], answer: Answer = {}): void => {
    phases.set(asked.id, { op: asked.op, phase });
    appendFileSync(file, historyLine({ ...asked, ...answer, phase, at: Date.now() }));
  };
  return {
    file,
    invoke: (asked) => write(asked, "invoke"),
    ok: (asked, answer = {}) => {
      write(asked, "ok", answer);
      const wakeId = answer.wakeId ?? asked.wakeId;
      if (asked.op !== "wake" || !wakeId || !asked.agentId) return;
      if (answer.outcome === "accepted")
        undecided.set(wakeId, { asked: { ...asked, wakeId }, agentId: asked.agentId, wakeId });
      else undecided.delete(wakeId);
    },
    fail: (asked, answer) => write(asked, "fail", answer),
    info: (asked) => {
      write(asked, "info");
      if (asked.wakeId) undecided.delete(asked.wakeId);
    },
    undecided: () => [...undecided.values()],
    decided: (wakeIds) => {
      for (const wakeId of wakeIds) undecided.delete(wakeId);
    },
    counts: () => {
      const counts: Record<string, Record<string, number>> = {};
      for (const { op, phase } of phases.values()) {
        const byPhase = (counts[op] ??= {});
        byPhase[phase] = (byPhase[phase] ?? 0) + 1;
      }
      return counts;
    },
  };
}
