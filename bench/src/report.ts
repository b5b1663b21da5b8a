/** The result of a bench: one JSON document, and a table for people. Knows no scenario. */
import type { Check, Figure, Findings } from "./figure.js";
import type { Machine } from "./machine.js";
import { readable } from "./statistics.js";

export interface Report {
  format: 1;
  takenAt: string;
  machine: Machine;
  quick: boolean;
  scenarios: Record<string, Findings | { failed: string }>;
  /** True when every bar and every check of every scenario held. */
  holds: boolean;
}

/** Whether everything of a scenario held; a failed one did not. */
export const findingsHold = (findings: Findings | { failed: string }): boolean =>
  !("failed" in findings) &&
  findings.figures.every(({ bar }) => bar?.holds ?? true) &&
  findings.checks.every(({ holds }) => holds);

/** The table: figure, its floor, their ratio, the bar, whether it holds. */
export function table(report: Report): string {
  const rows = [["figure", "value", "floor", "ratio", "bar", ""]];
  const notes: string[] = [];
  for (const [scenario, findings] of Object.entries(report.scenarios)) {
    if ("failed" in findings) {
      notes.push(`${scenario} FAILED: ${findings.failed}`);
      continue;
    }
    rows.push(...findings.figures.map((one) => figureRow(scenario, one)));
    rows.push(...findings.checks.map((one) => checkRow(scenario, one)));
  }
  return [...machineLines(report), "", ...aligned(rows), ...notes].join("\n");
}

const verdict = (holds: boolean): string => (holds ? "holds" : "MISSED");

const figureRow = (scenario: string, one: Figure): string[] => [
  `${scenario}: ${one.name}`,
  `${readable(one.value)} ${one.unit}`,
  one.floor ? `${readable(one.floor.value)} (${one.floor.name})` : "",
  one.ratio === undefined ? "" : one.ratio.toFixed(2),
  one.bar?.text ?? "",
  one.bar ? verdict(one.bar.holds) : "",
];
const checkRow = (scenario: string, one: Check): string[] => [
  `${scenario}: ${one.name}`,
  one.found,
  "",
  "",
  "must hold",
  verdict(one.holds),
];

function machineLines({ machine, takenAt, quick }: Report): string[] {
  const load = machine.loadBefore.map((one) => one.toFixed(2)).join(" ");
  return [
    `${takenAt}  commit ${machine.commit}${machine.dirty ? " with changes" : ""}${quick ? "  (--quick: few samples)" : ""}`,
    `${machine.cores} x ${machine.model}, ${machine.memoryGiB} GiB, load before ${load}` +
      (machine.busy ? "  BUSY: ratios only" : ""),
    `node ${machine.versions.node}, nats-server ${machine.versions.nats}, Postgres ${machine.versions.postgres}`,
  ];
}

function aligned(rows: readonly string[][]): string[] {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  return rows.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column]!))
      .join("  ")
      .trimEnd(),
  );
}
