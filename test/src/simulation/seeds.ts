// Owns a range of seeds, run one after another in this process, and what came of them. Imports the fleet when it begins, so that a bug can
// be planted before.
import type { FaultKind } from "./world/scenario-faults.js";

export interface SeedFinding {
  seed: number;
  invariant: string;
  what: string;
  atMs: number;
  /** The plan of its faults, and the end of its trace. */
  faults: readonly object[];
  lines: readonly string[];
}
export interface Report {
  seeds: number;
  findings: SeedFinding[];
  wallMs: number;
  cpuMs: number;
  simulatedMs: number;
  steps: number;
  processStarts: number;
  /** How often each kind of fault was done. */
  faults: Partial<Record<FaultKind, number>>;
  /** From the heal to the rest: the longest. */
  slowestRest: { seed: number; ms: number };
  /** The fingerprint of the last run. */
  hash: string;
  coverage?: ModuleCoverage[];
}
/** One module of the product, and which of its functions were called. */
export interface ModuleCoverage {
  file: string;
  called: number;
  functions: number;
  /** Names of those that were not. */
  missed: string[];
}
export interface SeedRange {
  from: number;
  count: number;
  /** End with the first finding. */
  first: boolean;
  linesMax: number;
  onFinding?: (finding: SeedFinding) => void;
}

export async function runSeeds({
  from,
  count,
  first,
  linesMax,
  onFinding,
}: SeedRange): Promise<Report> {
  const { runSeed } = await import("./world/world.js");
  const began = performance.now();
  const cpu = process.cpuUsage();
  const report: Report = {
    seeds: 0,
    findings: [],
    wallMs: 0,
    cpuMs: 0,
    simulatedMs: 0,
    steps: 0,
    processStarts: 0,
    faults: {},
    slowestRest: { seed: 0, ms: 0 },
    hash: "",
  };
  for (let seed = from; seed < from + count; seed += 1) {
    const { finding, lines, scenario, ...run } = await runSeed(seed, { linesMax });
    report.seeds += 1;
    report.hash = run.hash;
    report.steps += run.steps;
    report.simulatedMs += run.simulatedMs;
    report.processStarts += run.processStarts;
    if (!finding && run.restMs > report.slowestRest.ms)
      report.slowestRest = { seed, ms: run.restMs };
    for (const { kind } of scenario.faults) report.faults[kind] = (report.faults[kind] ?? 0) + 1;
    if (!finding) continue;
    const found = { seed, ...finding, faults: scenario.faults, lines };
    report.findings.push(found);
    onFinding?.(found);
    if (first) break;
  }
  report.wallMs = performance.now() - began;
  const used = process.cpuUsage(cpu);
  report.cpuMs = (used.user + used.system) / 1_000;
  return report;
}
