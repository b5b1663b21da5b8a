/**
 * Why a run is ended before its time, and which reason counts when there are several. Pure.
 */
import type { RunLost } from "@reveille/shared/protocol/execution";

export type LostReason = RunLost["reason"];
export type Stop = { kind: "cancel" } | { kind: "timeout" } | { kind: "lost"; reason: LostReason };

/**
 * The first reason stands, except that "lost" replaces the others: the attempt may already belong to
 * somebody else, and a result of it must not be reported.
 */
export function strongerStop(current: Stop | null, next: Stop): Stop {
  if (current === null) return next;
  return current.kind !== "lost" && next.kind === "lost" ? next : current;
}

/** One attempt's stop: asked for from several sides, heard by the adapter and the process tree. */
export interface StopLine {
  readonly stop: Stop | null;
  ask(stop: Stop): void;
  /** Called at once when a stop was asked for before, then with every reason that replaces it. */
  listen(listener: (stop: Stop) => void): void;
}

export function createStopLine(): StopLine {
  let current: Stop | null = null;
  const listeners: ((stop: Stop) => void)[] = [];
  return {
    get stop() {
      return current;
    },
    ask: (stop) => {
      const next = strongerStop(current, stop);
      if (next === current) return;
      current = next;
      for (const listener of listeners) listener(next);
    },
    listen: (listener) => {
      listeners.push(listener);
      if (current) listener(current);
    },
  };
}
