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
  // Made when somebody asks: most runs end without, and a controller costs more than the rest of this.
  let stopping: AbortController | null = null;
  let finishing: AbortController | null = null;
  let finished = false;
  return {
    get stop() {
      return current;
    },
    get signal() {
      stopping ??= new AbortController();
      if (current) stopping.abort();
      return stopping.signal;
    },
    get final() {
      finishing ??= new AbortController();
      if (finished) finishing.abort();
      return finishing.signal;
    },
    ask: (stop) => {
      const next = strongerStop(current, stop);
      if (next === current) return;
      current = next;
      stopping?.abort();
      for (const listener of listeners) listener(next);
    },
    listen: (listener) => {
      listeners.push(listener);
      if (current) listener(current);
    },
    finish: () => {
      finished = true;
      finishing?.abort();
    },
  };
}
