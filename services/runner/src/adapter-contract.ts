/**
 * The contract as a test: an author runs `checkAdapter` on an adapter and gets told what a runner would
 * stumble over. Needs no runner, no NATS and no test framework.
 */
import { runResultSchema } from "@reveille/shared/protocol/execution";
import { boundedEntry, transcriptEntrySchema } from "@reveille/shared/protocol/transcript";
import { environmentCheckSchema } from "@reveille/shared/protocol/probe";
import type { Adapter, Json } from "./adapter.js";
import { startTrial } from "./adapter-trial.js";
import type { Trial } from "./adapter-trial.js";
import { configFault, shapeFaults } from "./adapters/shape.js";

export interface ContractCase {
  /** A run with this configuration succeeds, within 10 s. */
  works: Json;
  /** A run with this one lasts until it is stopped; absent: no run of this adapter lasts. */
  lasts?: Json;
  /** A run with this one cannot work; default: `{}`, where the configuration has a required field. */
  broken?: Json;
}

/** A stopped adapter has a grace of 1 s in the trial, and a runner leaves it behind 2 s later. */
const stopWithinMs = 3_000;
const workWithinMs = 10_000;
const testWithinMs = 8_000;
/** Long enough for whatever lasts to have begun. */
const lastingMs = 300;
const resultSchema = runResultSchema.partial();

/** Every violation in a sentence; empty: the adapter keeps the contract. */
export async function checkAdapter(adapter: Adapter, given: ContractCase): Promise<string[]> {
  const faults = shapeFaults(adapter);
  if (faults.length > 0) return faults;
  const found = await Promise.all([
    checkWork(adapter, given),
    checkBroken(adapter, given.broken),
    checkStops(adapter, given),
    checkTest(adapter, given),
  ]);
  return found.flat();
}

type Ended =
  { kind: "answered"; answer: unknown } | { kind: "threw"; error: Error } | { kind: "late" };

async function ended(work: Promise<unknown>, withinMs: number): Promise<Ended> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<Ended>((resolve) => {
    timer = setTimeout(() => resolve({ kind: "late" }), withinMs);
  });
  const done = work.then(
    (answer): Ended => ({ kind: "answered", answer }),
    (error: Error): Ended => ({ kind: "threw", error }),
  );
  return Promise.race([done, late]).finally(() => clearTimeout(timer));
}

/** Runs once and judges what every run has to keep. */
async function tried(
  adapter: Adapter,
  config: Json,
  what: string,
  drive: (trial: Trial) => Promise<{ end: Ended; withinMs: number }>,
): Promise<{ faults: string[]; failed: string | null }> {
  const trial = startTrial(adapter, config);
  try {
    const { end, withinMs } = await drive(trial);
    if (end.kind === "late") return only(`${what}: no answer within ${withinMs} ms`);
    if (end.kind === "threw") return only(`${what}: execute threw: ${end.error.message}`);
    const faults = runFaults(adapter, trial, end.answer).map((fault) => `${what}: ${fault}`);
    const message = (end.answer as { errorMessage?: unknown } | null)?.errorMessage;
    return { faults, failed: typeof message === "string" && message !== "" ? message : null };
  } finally {
    trial.end();
  }
}
const only = (fault: string) => ({ faults: [fault], failed: null });

function runFaults(adapter: Adapter, trial: Trial, answer: unknown): string[] {
  const faults: string[] = [];
  const read = resultSchema.safeParse(answer);
  if (!read.success) {
    const [issue] = read.error.issues;
    faults.push(`the answer is no result: ${issue?.path.join(".")}: ${issue?.message}`);
  }
  if (trial.alive) faults.push("it answered before its process had ended");
  if (adapter.starts === "nothing" && trial.launchCount > 0)
    faults.push('`starts` is "nothing", and it launched a process');
  const { invocations, warnings, written, transcript } = trial;
  const told = JSON.stringify([invocations, warnings, written, answer ?? null]);
  if (told.includes(trial.secret)) faults.push("the run's token was told or logged");
  for (const { usage, costUsd } of trial.reports)
    if (!resultSchema.safeParse({ usage, costUsd }).success)
      faults.push("a report of usage is not one");
  for (const entry of transcript)
    if (!transcriptEntrySchema.safeParse(boundedEntry(entry)).success)
      faults.push("an entry of the transcript is not one");
  return faults;
}

async function checkWork(adapter: Adapter, { works }: ContractCase): Promise<string[]> {
  const fault = configFault(adapter, works);
  if (fault) return [`\`works\`: its own schema refuses it: ${fault}`];
  const { faults, failed } = await tried(adapter, works, "`works`", async ({ context }) => ({
    end: await ended(adapter.execute(context), workWithinMs),
    withinMs: workWithinMs,
  }));
  return failed === null ? faults : [...faults, `\`works\`: the run failed: ${failed}`];
}

/** A runner's word for a configuration that the schema refuses comes first; else the adapter must say it. */
async function checkBroken(adapter: Adapter, broken: Json | undefined): Promise<string[]> {
  const config = broken ?? {};
  if (broken === undefined && configFault(adapter, config) === null) return [];
  const { faults, failed } = await tried(adapter, config, "`broken`", async ({ context }) => {
    const end = await ended(adapter.execute(context), workWithinMs);
    // The schema has refused it before a run would have begun.
    const refused = end.kind === "threw" && configFault(adapter, config) !== null;
    const answer = { errorMessage: "refused by its schema" };
    return { end: refused ? { kind: "answered", answer } : end, withinMs: workWithinMs };
  });
  if (faults.length > 0 || failed !== null || configFault(adapter, config) !== null) return faults;
  return ["`broken`: the run did not fail"];
}

async function checkStops(adapter: Adapter, { works, lasts }: ContractCase): Promise<string[]> {
  const config = lasts ?? works;
  const early = tried(adapter, config, "stopped before it began", async (trial) => {
    trial.stop("cancel");
    const end = await ended(adapter.execute(trial.context), stopWithinMs);
    return { end, withinMs: stopWithinMs };
  });
  const late = tried(adapter, config, "stopped on its way", async (trial) => {
    const work = adapter.execute(trial.context);
    const first = await ended(work, lasts ? lastingMs : workWithinMs);
    if (first.kind !== "late") return { end: first, withinMs: lastingMs };
    trial.stop("cancel");
    return { end: await ended(work, stopWithinMs), withinMs: stopWithinMs };
  });
  return [...(await early).faults, ...(await late).faults];
}

async function checkTest(adapter: Adapter, { works, broken }: ContractCase): Promise<string[]> {
  if (!adapter.test) return [];
  const faults: string[] = [];
  for (const [name, config] of [
    ["works", works],
    ["broken", broken ?? {}],
  ] as const) {
    const { signal } = new AbortController();
    const env = { PATH: process.env["PATH"] ?? "" };
    const companyId = "00000000-0000-4000-8000-000000000000";
    const end = await ended(adapter.test({ companyId, config, env, signal }), testWithinMs);
    const checks = environmentCheckSchema.array().safeParse(end.kind === "answered" && end.answer);
    if (end.kind !== "answered") faults.push(`\`test\` of \`${name}\`: ${end.kind}`);
    else if (!checks.success)
      faults.push(`\`test\` of \`${name}\`: the answer is no list of checks`);
    else if (name === "works" && checks.data.some(({ level }) => level === "error"))
      faults.push("`test` of `works`: it finds an error in what works");
  }
  return faults;
}
