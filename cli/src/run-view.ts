/** Runs, agents and issues as people read them. Formats rows of the API; asks for nothing. */
import type { Row } from "./api.js";
import { ago, duration, formatTable, orDash, paintStatus } from "./output.js";
import type { Paint } from "./output.js";

/** Enough of a UUID to be unique among a thousand (32 bits), and what every command accepts as a prefix. */
export const shortId = (id: unknown): string => (typeof id === "string" ? id.slice(0, 8) : "-");

const time = (value: unknown): number =>
  typeof value === "string" ? Date.parse(value) : Number.NaN;

/** How long the run took, or has been running. */
export function runDuration(run: Row, nowMs: number): string {
  const from = time(run["startedAt"]);
  if (Number.isNaN(from)) return "-";
  const to = time(run["finishedAt"]);
  return duration((Number.isNaN(to) ? nowMs : to) - from);
}

export function runsTable(
  runs: readonly Row[],
  agentNames: ReadonlyMap<string, string>,
  paint: Paint,
  nowMs: number,
): string {
  return formatTable(
    ["RUN", "AGENT", "STATUS", "SOURCE", "REASON", "CREATED", "TOOK", "ERROR"],
    runs.map((run) => [
      shortId(run["id"]),
      agentNames.get(String(run["agentId"])) ?? shortId(run["agentId"]),
      paintStatus(paint, orDash(run["status"])),
      orDash(run["invocationSource"]),
      orDash((run["contextSnapshot"] as Row | null)?.["wakeReason"]),
      ago(run["createdAt"], nowMs),
      runDuration(run, nowMs),
      orDash(run["error"]).slice(0, 60),
    ]),
  );
}

/** One line: what became of a run. */
export function runOutcome(run: Row, paint: Paint, nowMs: number): string {
  const status = paintStatus(paint, orDash(run["status"]));
  const exit =
    run["exitCode"] === null || run["exitCode"] === undefined
      ? ""
      : `, exit ${orDash(run["exitCode"])}`;
  const signal = run["signal"] ? `, ${orDash(run["signal"])}` : "";
  const error = run["error"] ? `: ${orDash(run["error"])}` : "";
  return `run ${shortId(run["id"])} ${status} after ${runDuration(run, nowMs)}${exit}${signal}${error}`;
}

/** All that is worth a line of a row, name and value; nested values as JSON. */
export function details(row: Row): string {
  const width = Math.max(...Object.keys(row).map((key) => key.length));
  return Object.entries(row)
    .filter(([, value]) => value !== null && value !== undefined && value !== "")
    .map(([key, value]) => {
      const text = typeof value === "object" ? JSON.stringify(value) : String(value as string);
      return `${key.padEnd(width)}  ${text.trimEnd().replaceAll("\n", `\n${" ".repeat(width + 2)}`)}`;
    })
    .join("\n");
}
