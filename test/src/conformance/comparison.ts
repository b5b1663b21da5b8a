// Owns when two recordings are the same. Pure.
//
// More is allowed, less is not: of what is new only the fields are compared that the recording has. What need not be equal: the default
// working directory (the reference uses its server's; an agent's own workspace is better), byte counts of logs, kind and name of the
// log store (only whether there is one), and the order between frames of different runs or agents.
import type { Frame, Row } from "./client.js";

/** What a scenario left behind, normalised. */
export interface Recording {
  steps: unknown[];
  /** Rows by table; a text where they are not compared. */
  finalState: unknown;
  wsFrames?: Frame[];
}

const logStoreFields = new Set(["log_store", "logStore", "log_ref", "logRef", "store"]);
const byteCounts = new Set(["logBytes", "log_bytes"]);
const defaultFolder = /^(<server-cwd>|.*\/workspaces\/[^/]*)$/;

/** Null when `now` shows what `recorded` shows; else the first place where it does not. */
export function difference(recorded: Recording, now: Recording): string | null {
  const want = shape(recorded);
  const wanted = textOf(want).split("\n");
  const found = textOf(reducedTo(want, shape(now))).split("\n");
  const line = wanted.findIndex((text, index) => text !== found[index]);
  if (line < 0 && wanted.length === found.length) return null;
  const at = line < 0 ? wanted.length : line;
  const around = (lines: readonly string[]): string =>
    lines
      .slice(Math.max(0, at - 3), at + 4)
      .map((text) => text.trim())
      .join(" ");
  return `line ${at}\n  recorded: ${around(wanted)}\n  now:      ${around(found)}`;
}

const shape = ({ steps, finalState, wsFrames }: Recording): Row => ({
  steps,
  finalState,
  ...(wsFrames ? { wsFrames: byOwner(wsFrames) } : {}),
});

/** Frames of one run, of one agent, of the rest: between these the order is free. */
function byOwner(frames: readonly Frame[]): Row {
  const groups = new Map<string, Frame[]>();
  for (const frame of frames) {
    const { runId, agentId } = frame.payload as { runId?: string; agentId?: string };
    const owner = frame.type === "activity.logged" ? "activity" : (runId ?? agentId ?? "other");
    groups.set(owner, [...(groups.get(owner) ?? []), frame]);
  }
  return Object.fromEntries([...groups].toSorted(([a], [b]) => (a < b ? -1 : 1)));
}

const isRow = (value: unknown): value is Row =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** `now` with only the fields that `recorded` has; what it lacks stays away, and shows as a difference. */
function reducedTo(recorded: unknown, now: unknown): unknown {
  if (Array.isArray(recorded) && Array.isArray(now))
    return now.map((item, index) =>
      index < recorded.length ? reducedTo(recorded[index], item) : (item as unknown),
    );
  if (!isRow(recorded) || !isRow(now)) return now;
  const kept = Object.keys(recorded).filter((key) => key in now);
  return Object.fromEntries(kept.map((key) => [key, reducedTo(recorded[key], now[key])]));
}

const textOf = (value: unknown): string => JSON.stringify(value, forgiving, 1);

function forgiving(field: string, value: unknown): unknown {
  if (byteCounts.has(field)) return undefined;
  if (logStoreFields.has(field)) return value === null ? null : "<set>";
  if (field === "cwd" && typeof value === "string" && defaultFolder.test(value)) return "<default>";
  return value;
}

/** Frames as they are compared: without ids and times, and chunks of one stream in one, because where they are cut is free. */
export function normalFrames(
  frames: readonly Frame[],
  normalise: (value: unknown) => unknown,
): Frame[] {
  const normal: Frame[] = [];
  for (const { type, payload: raw } of frames) {
    const payload = normalise(raw) as Row;
    const last = normal.at(-1);
    const goesOn =
      type === "heartbeat.run.log" &&
      last?.type === type &&
      last.payload["stream"] === payload["stream"] &&
      last.payload["runId"] === payload["runId"];
    if (goesOn)
      last.payload["chunk"] = `${String(last.payload["chunk"])}${String(payload["chunk"])}`;
    else normal.push({ type, payload });
  }
  return normal;
}
