/**
 * What the reader of a program's output is: lines in, entries of the common vocabulary out, and at the end
 * what the run came to. One reader reads one process. Pure; no reader ever throws, whatever it is given.
 */
import type { RunResult, UsageSoFar } from "@reveille/shared/protocol/execution";
import type { SessionTotals } from "@reveille/shared/protocol/session";
import type { TranscriptEntry } from "@reveille/shared/protocol/transcript";
import type { ProcessEnd } from "../../adapter.js";
import type { Failure } from "./failure.js";

/** What a reader has to know beforehand. */
export interface StreamStart {
  /**
   * What the session had used before this run, where the program counts on through a session. Null: not
   * known, and the program's counters say nothing about this run.
   */
  base: SessionTotals | null;
}

export interface Conclusion {
  /** To go on with; null when there is none that could be. */
  sessionId: string | null;
  model: string | null;
  /** Of this process alone. */
  used: UsageSoFar;
  /** What the session has used up to here, to be subtracted next time; null: not known. */
  totals: SessionTotals | null;
  /** The program's own last words. */
  summary: string | null;
  /** How the program says it is paid; null when it does not. */
  billing: NonNullable<RunResult["billingType"]> | null;
  /** Null: it has done its work. */
  failure: Failure | null;
  /** Small facts for `resultJson`. */
  facts: Readonly<Record<string, unknown>>;
}

/** How the process ended, for a reader. */
export interface StreamEnd extends ProcessEnd {
  /** The end of its standard error. */
  stderr: string;
  nowMs: number;
  /** Of the times that the program prints without one; undefined: this process's. */
  timeZone?: string;
}

export interface StreamReader {
  /** One line without its end. */
  read(line: string): readonly TranscriptEntry[];
  /** So far, in total. */
  readonly used: UsageSoFar;
  /** It says for the n-th time in a row that it cannot reach its service, and does nothing else; 0: it can. */
  readonly waitingCount: number;
  conclude(end: StreamEnd): Conclusion;
}

/** The last line of standard error that is no log line: what the program says when it says nothing else. */
export function lastWords(stderr: string): string | null {
  const lines = stderr
    .split("\n")
    .map((line) => line.replace(colour, "").trim())
    .filter((line) => line !== "");
  return lines.findLast((line) => !logLine.test(line)) ?? lines.at(-1) ?? null;
}
/** Escape sequences of terminals, written so that no control character stands in the source. */
const colour = new RegExp(`${String.fromCodePoint(27)}\\[[0-9;]*m`, "g");
/** `2026-11-22T08:49:00.284Z ERROR module: …`, as Rust programs trace. */
const logLine = /^\d{4}-\d\d-\d\dT[\d:.]+Z?\s+(TRACE|DEBUG|INFO|WARN|ERROR)\b/;

/** What the end of a process means when its output explains nothing; null when it ended well. */
export function endFailureText(program: string, end: StreamEnd): string | null {
  if (end.startError !== null) return end.startError;
  if (end.signal !== null) return `${program} was killed by ${end.signal}`;
  if (end.exitCode === 0) return null;
  return lastWords(end.stderr) ?? `${program} exited with code ${end.exitCode}`;
}
