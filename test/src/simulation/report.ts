// Owns how reports of simulated seeds are added up and shown to people.
import type { Report, SeedFinding } from "./seeds.js";

/** Several processes' reports as one; their time is that of the slowest. @throws RangeError of none. */
export function addReports(reports: readonly Report[]): Report {
  const [first, ...rest] = reports;
  if (!first) throw new RangeError("no report");
  return rest.reduce((sum, report) => {
    const faults = { ...sum.faults };
    for (const [kind, count] of Object.entries(report.faults) as [keyof typeof faults, number][])
      faults[kind] = (faults[kind] ?? 0) + count;
    return {
      ...sum,
      seeds: sum.seeds + report.seeds,
      findings: [...sum.findings, ...report.findings].sort((a, b) => a.seed - b.seed),
      wallMs: Math.max(sum.wallMs, report.wallMs),
      cpuMs: sum.cpuMs + report.cpuMs,
      simulatedMs: sum.simulatedMs + report.simulatedMs,
      steps: sum.steps + report.steps,
      processStarts: sum.processStarts + report.processStarts,
      faults,
      slowestRest:
        report.slowestRest.ms > sum.slowestRest.ms ? report.slowestRest : sum.slowestRest,
    };
  }, first);
}

export function reportText(report: Report, { details }: { details: boolean }): string {
  const { seeds, findings, wallMs, cpuMs, simulatedMs, steps, processStarts, faults } = report;
  const lines = findings.flatMap((finding, at) => findingText(finding, details || at === 0));
  for (const { file, called, functions, missed } of report.coverage ?? [])
    lines.push(
      `${file}: ${called} of ${functions} functions${missed.length > 0 ? `, not ${missed.join(", ")}` : ""}`,
    );
  if (details) lines.push(`fingerprint ${report.hash}`);
  lines.push(
    `faults: ${
      Object.entries(faults)
        .map(([kind, count]) => `${kind} ${count}`)
        .join(", ") || "none"
    }`,
    `slowest rest: ${(report.slowestRest.ms / 1_000).toFixed(1)} s after the heal, seed ${report.slowestRest.seed}`,
    `${seeds} seeds, ${findings.length} violations; ${Math.round((seeds * 60_000) / wallMs)} seeds a minute ` +
      `(${(cpuMs / seeds).toFixed(1)} ms of processor each), ${(simulatedMs / seeds / 1_000).toFixed(1)} s simulated, ` +
      `${Math.round(steps / seeds)} events and ${(processStarts / seeds).toFixed(1)} agent processes a seed`,
  );
  return `${lines.join("\n")}\n`;
}

function findingText(finding: SeedFinding, details: boolean): string[] {
  const { seed, invariant, what, atMs } = finding;
  const title = `seed ${seed}: ${invariant} at ${(atMs / 1_000).toFixed(3)} s: ${what}`;
  if (!details) return [title];
  return [
    ...finding.lines,
    ...finding.faults.map((fault) => `planned: ${JSON.stringify(fault)}`),
    title,
  ];
}
