// Owns one line of the timeline on a console: time, who, what; coloured only where that is wanted. Knows nothing of runs.

export interface Console {
  /** `at` is ISO 8601. */
  readonly line: (at: string, who: string, text: string) => void;
  /** Wraps a text in an SGR colour code. */
  readonly paint: (code: number, text: string) => string;
}

/** Longer lines wrap on every terminal and hide what is around them. */
export const LINE_CHARS_MAX = 160;
/** Width of the column of names. */
const NAME_CHARS = 11;

export function createConsole(print: (line: string) => void, colour: boolean): Console {
  const paint = (code: number, text: string): string =>
    colour ? `\u001B[${code}m${text}\u001B[0m` : text;
  return {
    paint,
    line: (at, who, text) =>
      print(`${paint(2, clock(at))}  ${paint(1, clean(who).padEnd(NAME_CHARS))} ${text}`),
  };
}

/** HH:MM:SS.mmm in this machine's time zone. */
function clock(iso: string): string {
  const at = new Date(iso);
  if (Number.isNaN(at.getTime())) return "--:--:--.---";
  const two = (n: number): string => String(n).padStart(2, "0");
  const milliseconds = String(at.getMilliseconds()).padStart(3, "0");
  return `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}.${milliseconds}`;
}

// oxlint-disable-next-line no-control-regex -- control characters are what must not reach the terminal
const controls = /[\u0000-\u001F\u007F]/g;
/** Text of somebody else as one line that cannot move the cursor. */
export const clean = (said: string): string =>
  said.trimEnd().replaceAll("\t", "  ").replaceAll(controls, "").slice(0, LINE_CHARS_MAX);
