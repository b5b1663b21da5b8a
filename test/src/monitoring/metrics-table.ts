// Owns the tables of docs/observability.md, made from the catalogue of metrics. Run, it prints them.
import { pathToFileURL } from "node:url";
import { metricsOf, serviceNames } from "@reveille/shared/runtime/metrics-catalogue";
import type { MetricSpec, ServiceName } from "@reveille/shared/runtime/metrics-catalogue";

/** What all services expose stands in a table of its own. */
export const metricsTable = (service: ServiceName | "all"): string =>
  table(
    (service === "all" ? metricsOf("gateway") : metricsOf(service)).filter(
      ([, { services }]) => (services.length === serviceNames.length) === (service === "all"),
    ),
  );

/** Padded as prettier has it. */
function table(metrics: readonly [string, MetricSpec][]): string {
  const rows = [
    ["metric", "type", "labels", "what it tells"],
    ...metrics.map(([name, { type, labels = {}, help }]) => [
      `\`${name}\``,
      type,
      Object.entries(labels).map(labelText).join("; ") || "",
      help,
    ]),
  ];
  const widths = rows[0]!.map((_, at) => Math.max(...rows.map((row) => row[at]!.length)));
  const line = (row: readonly string[]): string =>
    `| ${row.map((cell, at) => cell.padEnd(widths[at]!)).join(" | ")} |`;
  const rule = `| ${widths.map((width) => "-".repeat(width)).join(" | ")} |`;
  return [line(rows[0]!), rule, ...rows.slice(1).map(line)].join("\n");
}

const labelText = ([name, values]: [string, readonly string[] | string]): string =>
  typeof values === "string" ? `\`${name}\`: ${values}` : `\`${name}\`: ${values.join(", ")}`;

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href)
  for (const service of ["all", ...serviceNames] as const)
    process.stdout.write(`\n${service}\n\n${metricsTable(service)}\n`);
