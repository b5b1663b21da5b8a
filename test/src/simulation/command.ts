// Owns the simulation as a command: one seed with its trace, or many seeds in several processes; what was found, how fast, what was
// reached. Its exit status says whether it found what it was to find.
import { fork } from "node:child_process";
import { parseArgs } from "node:util";
import { coverageOf, startCoverage } from "./coverage.js";
import { plantMutant } from "./mutants/plant-mutant.js";
import { runSeeds } from "./seeds.js";
import type { Report } from "./seeds.js";
import { addReports, reportText } from "./report.js";

const usage = `usage: npm run simulate -- --seed N [--lines N]
       npm run simulate -- --seeds COUNT [--from N] [--workers N] [--coverage] [--json]
  --seed     one run, with its faults and the end of its trace
  --seeds    so many runs, from seed --from (default 1) on
  --workers  so many processes (default 1)
  --mutant   with a planted bug: the command then fails when it is not found
  --first    end with the first finding
  --coverage which functions of hosts and runners were reached; one process
  --lines    of the trace of a finding (default 120)
  --json     the report as one line of JSON`;

const { values: given } = parseArgs({
  options: {
    seed: { type: "string" },
    seeds: { type: "string", default: "1000" },
    from: { type: "string", default: "1" },
    workers: { type: "string", default: "1" },
    lines: { type: "string", default: "120" },
    mutant: { type: "string" },
    first: { type: "boolean", default: false },
    coverage: { type: "boolean", default: false },
    json: { type: "boolean", default: false },
    help: { type: "boolean", default: false },
  },
});
const number = (text: string): number => {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 0) throw new Error(`not a whole number: ${text}\n${usage}`);
  return value;
};

async function runHere(from: number, count: number): Promise<Report> {
  const coverage = given.coverage ? await startCoverage() : null;
  const report = await runSeeds({
    from,
    count,
    first: given.first || given.mutant !== undefined,
    linesMax: number(given.lines),
  });
  return coverage ? { ...report, coverage: await coverageOf(coverage) } : report;
}

/** The same command with a share of the seeds; its last line is its report. */
function runShare(from: number, count: number): Promise<Report> {
  const args = ["--seeds", `${count}`, "--from", `${from}`, "--lines", given.lines, "--json"];
  if (given.mutant !== undefined) args.push("--mutant", given.mutant);
  if (given.first) args.push("--first");
  const child = fork(import.meta.filename, args, { stdio: ["ignore", "pipe", "inherit", "ipc"] });
  let output = "";
  child.stdout!.setEncoding("utf8").on("data", (chunk: string) => (output += chunk));
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code) => {
      const last = output.trimEnd().split("\n").at(-1) ?? "";
      if (last.startsWith("{")) resolve(JSON.parse(last) as Report);
      else reject(new Error(`a worker ended with ${code}: ${output}`));
    });
  });
}

async function main(): Promise<number> {
  if (given.help) {
    process.stdout.write(`${usage}\n`);
    return 0;
  }
  if (given.mutant !== undefined) plantMutant(given.mutant);
  const one = given.seed === undefined ? null : number(given.seed);
  const from = one ?? number(given.from);
  const count = one === null ? number(given.seeds) : 1;
  const workers = Math.min(Math.max(1, number(given.workers)), count);
  const share = Math.ceil(count / workers);
  const reports = await Promise.all(
    workers === 1
      ? [runHere(from, count)]
      : Array.from({ length: workers }, (_, at) =>
          runShare(from + at * share, Math.max(0, Math.min(share, count - at * share))),
        ),
  );
  const report = addReports(reports);
  process.stdout.write(given.json ? `${JSON.stringify(report)}\n` : reportText(report, { details: one !== null }));
  const found = report.findings.length > 0;
  return found === (given.mutant !== undefined) ? 0 : 1;
}

process.exitCode = await main();
