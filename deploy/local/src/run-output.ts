// Owns how much of what runs print is shown on a console, and in which form: whole lines, cleaned, bounded per run. Knows no events.
import { TextDecoder } from "node:util";
import type { Console } from "./console-line.js";
import { clean, LINE_CHARS_MAX } from "./console-line.js";

export interface RunOutput {
  take(at: string, who: string, runId: string, stream: string, bytes: Uint8Array): void;
  /** The run is over: shows what has no end of line, and how much was left out. */
  end(at: string, who: string, runId: string): void;
}

/** Lines of one run that are shown; the rest is counted: `reveille logs` has them all. */
const LINES_MAX = 40;
/** Runs whose state is kept; far more than run at once here. */
const RUNS_MAX = 2_000;

interface Shown {
  lines: number;
  readonly partial: Map<string, string>;
  readonly decoders: Map<string, TextDecoder>;
}

export function createRunOutput({ line, paint }: Console): RunOutput {
  const runs = new Map<string, Shown>();
  const show = (at: string, who: string, stream: string, said: string, shown: Shown): void => {
    shown.lines += 1;
    if (shown.lines > LINES_MAX) return;
    line(at, who, `${stream === "stderr" ? paint(31, "!") : paint(2, "|")} ${clean(said)}`);
  };
  return {
    take: (at, who, runId, stream, bytes) => {
      const shown = runs.get(runId) ?? { lines: 0, partial: new Map(), decoders: new Map() };
      runs.set(runId, shown);
      if (runs.size > RUNS_MAX) runs.delete(runs.keys().next().value!);
      const decoder = shown.decoders.get(stream) ?? new TextDecoder();
      shown.decoders.set(stream, decoder);
      const text = (shown.partial.get(stream) ?? "") + decoder.decode(bytes, { stream: true });
      const lines = text.split("\n");
      // A process that never ends its line must not grow ours.
      shown.partial.set(stream, (lines.pop() ?? "").slice(-LINE_CHARS_MAX));
      for (const said of lines) show(at, who, stream, said, shown);
    },
    end: (at, who, runId) => {
      const shown = runs.get(runId);
      if (!shown) return;
      runs.delete(runId);
      for (const [stream, rest] of shown.partial) if (rest) show(at, who, stream, rest, shown);
      const hidden = shown.lines - LINES_MAX;
      if (hidden > 0)
        line(
          at,
          who,
          paint(2, `| ... ${hidden} more lines: npx reveille logs ${runId.slice(0, 8)}`),
        );
    },
  };
}
