/**
 * Why a run is ended before its time, and which reason counts when there are several. Pure.
 */
import type { RunLost } from "@reveille/shared/protocol/execution";

export type LostReason = RunLost["reason"];
/** `sec`: the limit that has passed. */
export type Stop =
  | { kind: "cancel" }
  | { kind: "timeout"; sec: number }
  | { kind: "idle"; sec: number }
  | { kind: "lost"; reason: LostReason };

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
  /** Aborted with the first stop. */
  readonly signal: AbortSignal;
  /** Aborted by `finish`. */
  readonly final: AbortSignal;
  ask(stop: Stop): void;
  /** Called at once when a stop was asked for before, then with every reason that replaces it. */
  listen(listener: (stop: Stop) => void): void;
  /** The final word on this run was reported: no reason to end it by force, but nothing is left to wait for. */
  finish(): void;
}

export function createStopLine(): StopLine {
  let current: Stop | null = null;
  const listeners: ((stop: Stop) => void)[] = [];
  const stopping = new AbortController();
  const finishing = new AbortController();
  return {
    get stop() {
      return current;
    },
    signal: stopping.signal,
    final: finishing.signal,
    ask: (stop) => {
      const next = strongerStop(current, stop);
      if (next === current) return;
      current = next;
      stopping.abort();
      for (const listener of listeners) listener(next);
    },
    listen: (listener) => {
      listeners.push(listener);
      if (current) listener(current);
    },
    finish: () => finishing.abort(),
  };
}
