// Owns `npm run soak`: its arguments, Ctrl-C, what it prints and its exit status: 1 when anything is violated, when a bar of a long soak is
// missed, or when it was ended early.
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { missedBars, summaryLines } from "./report.js";
import { soak } from "./soak.js";

const usage = `usage: npm run soak -- --minutes N [--seed S] [--rate R] [--out FOLDER]
  --minutes  how long faults come; default 30
  --seed     of load and faults; default a random one, which is printed
  --rate     operations a second; default 6
  --out      for history, witness, samples, logs and summary; default a temporary folder`;

/** As a soak is described: three tenants, more agents than slots of a runner, more issues than agents. */
const size = { companies: 3, agents: 50, issues: 200 };
const periodMs = 30_000;
const settleMs = 10_000;
const undisturbedMs = 60_000;
/** Shorter ones have no trend, and too few seconds between faults to compare. */
const barsFromMinutes = 20;
/** Of all operations about half become a run that succeeds; a tenth of them is enough to judge. */
const requireShare = 0.1;

const { values: given } = parseArgs({
  options: {
    minutes: { type: "string", default: "30" },
    seed: { type: "string" },
    rate: { type: "string", default: "6" },
    out: { type: "string" },
    help: { type: "boolean", default: false },
  },
});

function number(name: string, text: string, most: number): number {
  const value = Number(text);
  if (!(value > 0) || value > most)
    throw new Error(`--${name} must be above 0 and at most ${most}\n${usage}`);
  return value;
}

async function main(): Promise<number> {
  const say = (line: string): void =>
    void process.stdout.write(`${new Date().toISOString().slice(11, 19)} ${line}\n`);
  if (given.help) {
    process.stdout.write(`${usage}\n`);
    return 0;
  }
  const minutes = number("minutes", given.minutes, 24 * 60);
  const rate = number("rate", given.rate, 50);
  const seed =
    given.seed === undefined
      ? Math.floor(Math.random() * 1_000_000)
      : number("seed", given.seed, 2 ** 31);
  const out = given.out
    ? resolve(given.out)
    : mkdtempSync(join(tmpdir(), "reveille-soak-results-"));
  say(`seed ${seed}, ${minutes} min, results in ${out}`);
  const ended = new AbortController();
  for (const name of ["SIGINT", "SIGTERM"] as const)
    process.on(name, () => {
      say(`${name}: ending early; the system is judged and stopped`);
      ended.abort();
    });
  const summary = await soak({
    seed,
    periods: Math.max(1, Math.round((minutes * 60_000) / periodMs)),
    periodMs,
    settleMs,
    undisturbedMs,
    size,
    rate,
    require: Math.floor(minutes * 60 * rate * requireShare),
    out,
    signal: ended.signal,
    say,
  });
  process.stdout.write(`\n${summaryLines(summary).join("\n")}\n`);
  const missed = minutes >= barsFromMinutes ? missedBars(summary) : [];
  const { violations } = summary.judgement;
  for (const line of [...violations, ...missed]) process.stdout.write(`FAILED ${line}\n`);
  if (ended.signal.aborted) process.stdout.write("ended early: no verdict on the whole\n");
  process.stdout.write(`${violations.length} violations, ${missed.length} bars missed\n`);
  return violations.length + missed.length > 0 || ended.signal.aborted ? 1 : 0;
}

process.exitCode = await main();
