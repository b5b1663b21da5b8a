// Owns reading what the demo's processes noted about themselves: the truth that the system's own account is compared with.
import { readFileSync } from "node:fs";
import { join } from "node:path";

/** One note of a process. */
export interface Note {
  readonly event: "start" | "end";
  readonly run: string;
  readonly attempt: number;
  readonly issue: string | null;
  readonly name: string;
  readonly pid: number;
  /** A grandchild, if the process made one. */
  readonly child?: number | null;
  /** Milliseconds since 1970. */
  readonly at: number;
}

export interface Witnesses {
  readonly folder: string;
  notes(runId?: string): Note[];
  /** What an attempt wrote to a stream, byte for byte. */
  written(runId: string, attempt: number, stream: "stdout" | "stderr"): Buffer;
}

export const openWitnesses = (folder: string): Witnesses => ({
  folder,
  notes: (runId) =>
    read(join(folder, "witness.ndjson"))
      .toString()
      .split("\n")
      .filter((line) => line !== "")
      .map((line) => JSON.parse(line) as Note)
      .filter((note) => runId === undefined || note.run === runId),
  written: (runId, attempt, stream) => read(join(folder, `${runId}.${attempt}.${stream}`)),
});

/** Pairs of processes that worked on the same issue at the same time; a start without an end lasts until `nowMs`. */
export function overlaps(notes: readonly Note[], nowMs: number): [Note, Note][] {
  const spans = notes
    .filter((note) => note.event === "start" && note.issue !== null)
    .map((start) => ({
      start,
      endMs:
        notes.find(
          (note) =>
            note.event === "end" && note.run === start.run && note.attempt === start.attempt,
        )?.at ?? nowMs,
    }));
  return spans.flatMap((a, index) =>
    spans
      .slice(index + 1)
      .filter(
        (b) => a.start.issue === b.start.issue && a.start.at < b.endMs && b.start.at < a.endMs,
      )
      .map((b): [Note, Note] => [a.start, b.start]),
  );
}

/** True while a process with this pid lives (a zombie does not). */
export function livesStill(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch {
    return false; // no such process
  }
  if (process.platform !== "linux") return true;
  const stat = read(`/proc/${pid}/stat`).toString();
  return stat !== "" && !stat.slice(stat.lastIndexOf(")") + 2).startsWith("Z");
}

function read(file: string): Buffer {
  try {
    return readFileSync(file);
  } catch {
    return Buffer.alloc(0); // nothing was written, which is what the caller then sees
  }
}
