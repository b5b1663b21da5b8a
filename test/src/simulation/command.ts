// Owns the simulation as a command: one seed with its trace, many seeds in several processes, or every planted bug; what was found, how
// fast, what was reached. Its exit status says whether it found what it was to find, and nothing else.
import { fork } from "node:child_process";
import { parseArgs } from "node:util";
import { coverageOf, startCoverage } from "./coverage.js";
import { mutants } from "./mutants/mutants.js";
import { plantMutant } from "./mutants/plant-mutant.js";
import { runSeeds } from "./seeds.js";
import type { Report } from "./seeds.js";
import { addReports, reportText } from "./report.js";

const usage = `usage: npm run simulate -- --seed N [--lines N]
       npm run simulate -- --seeds COUNT [--from N] [--workers N] [--coverage] [--json]
       npm run simulate -- --mutants [--seeds COUNT] [--from N] [--workers N]
  --seed     one run, with its faults and the end of its trace
  --seeds    so many runs (default 1000), from seed --from (default 1) on
  --workers  so many processes (default 1)
  --mutant   with a planted bug, until it is found; fails when it is not
  --mutants  each planted bug in turn, and the seed that finds it
  --first    end with the first finding
  --coverage which functions of hosts and runners were reached; in one process
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
    mutants: { type: "boolean", default: false },
    first: { type: "boolean", default: false },
    coverage: { type: "boolean", default: false },
    json: { type: "boolean", default: false },
    help: { type: "boolean", default: false },
  },
});
const whole = (name: string, text: string): number => {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 0)
    throw new Error(`--${name} is not a whole number: ${text}`);
  return value;
};
const lines = whole("lines", given.lines);

interface Range {
  from: number;
  count: number;
  mutant: string | undefined;
  first: boolean;
}

async function runHere({ from, count, mutant, first }: Range): Promise<Report> {
  if (mutant !== undefined) plantMutant(mutant);
  const coverage = given.coverage ? await startCoverage() : null;
  const report = await runSeeds({
    from,
    count,
    first,
    linesMax: lines,
    // At once: who waits for ten thousand seeds wants to begin to look.
    onFinding: ({ seed, invariant, what }) =>
      void process.stderr.write(`seed ${seed}: ${invariant}: ${what.slice(0, 200)}\n`),
  });
  return coverage ? { ...report, coverage: await coverageOf(coverage) } : report;
}

/** The same command with a share of the seeds; its last line is its report. */
function runShare({ from, count, mutant, first }: Range): Promise<Report> {
  const args = ["--seeds", `${count}`, "--from", `${from}`, "--lines", `${lines}`, "--json"];
  if (mutant !== undefined) args.push("--mutant", mutant);
  if (first) args.push("--first");
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

function shares(range: Range, workers: number): Range[] {
  const size = Math.ceil(range.count / workers);
  return Array.from({ length: workers }, (_, at) => ({
    ...range,
    from: range.from + at * size,
    count: Math.max(0, Math.min(size, range.count - at * size)),
  })).filter(({ count }) => count > 0);
}

/** Each bug in a process of its own, as many at once as there are workers. How many were not found. */
async function runMutants(range: Range, workers: number): Promise<number> {
  const todo = [...mutants];
  let missed = 0;
  const work = async (): Promise<void> => {
    for (let next = todo.shift(); next; next = todo.shift()) {
      const report = await runShare({ ...range, mutant: next.name, first: true });
      const [finding] = report.findings;
      if (!finding) missed += 1;
      const found = finding ? `seed ${finding.seed}, ${finding.invariant}` : "NOT FOUND";
      process.stdout.write(
        `${next.name.padEnd(26)} after ${String(report.seeds).padStart(4)} seeds: ${found}\n`,
      );
    }
  };
  await Promise.all(Array.from({ length: workers }, work));
  return missed;
}

async function main(): Promise<number> {
  if (given.help) {
    process.stdout.write(`${usage}\n`);
    return 0;
  }
  // A worker's parent that died wants nothing any more.
  if (process.send) process.on("disconnect", () => process.exit());
  const { mutant } = given;
  const one = given.seed === undefined ? null : whole("seed", given.seed);
  const range = {
    from: one ?? whole("from", given.from),
    count: one === null ? whole("seeds", given.seeds) : 1,
    mutant,
    first: given.first || mutant !== undefined,
  };
  const workers = Math.max(1, whole("workers", given.workers));
  if (given.mutants) return (await runMutants(range, workers)) > 0 ? 1 : 0;
  const reports =
    workers === 1 || one !== null
      ? [await runHere(range)]
      : await Promise.all(shares(range, workers).map(runShare));
  const report = addReports(reports);
  process.stdout.write(
    given.json ? `${JSON.stringify(report)}\n` : reportText(report, { details: one !== null }),
  );
  return report.findings.length > 0 === (mutant !== undefined) ? 0 : 1;
}

try {
  process.exitCode = await main();
} catch (error) {
  process.stderr.write(`${(error as Error).message}\n${usage}\n`);
  process.exitCode = 2;
}
// The channel to a parent keeps a process alive for ever.
if (process.send) process.disconnect();
