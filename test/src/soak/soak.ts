// Owns the course of a soak from an empty machine to its verdict: ground, population, load, a quiet beginning, periods of faults, rest, the
// judgement and the figures. Stops everything it has started, however it ends. Prints nothing itself.
import { appendFileSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { createPool } from "@reveille/shared/postgres/pool";
import { setRecorder } from "@reveille/shared/postgres/recorder";
import { createRandom } from "../simulation/machine/random.js";
import { openPrograms } from "./agent-program.js";
import { openAskers, type Askers } from "./askers.js";
import { recoveriesOf, throughputOf, type Recovery, type Throughput } from "./figures.js";
import { rollBackName } from "./faults.js";
import { openGround, type Ground, type OwnEnd } from "./ground.js";
import { openHistory, type Undecided } from "./history-writer.js";
import { judge, type Judgement } from "./judge.js";
import { startLoad } from "./load.js";
import { plague, type Caused, type Course, type Span } from "./nemesis.js";
import { populate, type PopulationSize } from "./population.js";
import { startSampler } from "./samples.js";
import { trendsOf, type Trend } from "./trends.js";

export interface SoakOptions {
  seed: number;
  periods: number;
  /** A fault's longest course has to fit: 30 s. */
  periodMs: number;
  /** Until what the population has caused by itself is over, and everybody is warm. */
  settleMs: number;
  /** How long nothing is broken at first: what throughput is compared with. */
  undisturbedMs: number;
  size: PopulationSize;
  /** Operations a second. */
  rate: number;
  /** Runs that must have succeeded, or nothing was shown. */
  require: number;
  /** Where history, witness, samples, logs and the summary go; made if it is missing. */
  out: string;
  signal: AbortSignal;
  say: (line: string) => void;
}

export interface SoakSummary {
  seed: number;
  seconds: number;
  faults: Record<string, number>;
  operations: Record<string, Record<string, number>>;
  wakes: number;
  runs: Record<string, number>;
  undisturbed: Throughput;
  between: Throughput;
  /** `between` to `undisturbed`. */
  ratio: number;
  recoveries: Recovery[];
  trends: Trend[];
  ownEnds: readonly OwnEnd[];
  leftOut: number;
  judgement: Judgement;
  course: Caused[];
}

/** @throws Error when the system cannot be started, healed or asked; it is stopped then. */
export async function soak(options: SoakOptions): Promise<SoakSummary> {
  const { out, say } = options;
  mkdirSync(out, { recursive: true });
  const began = Date.now();
  const ground = await openGround(join(out, "logs"));
  const history = openHistory(join(out, "history.ndjson"));
  let askers: Askers | undefined;
  try {
    const { database } = ground;
    await record(ground);
    let turn = 0;
    const asking = await openAskers(ground.nats.url, () => ground.gateway((turn += 1)), history);
    askers = asking;
    const programs = openPrograms(join(out, "witness"));
    // Apart from each other, so that a seed's faults are the same whatever else changes.
    const random = createRandom(options.seed + 1);
    say("making companies, agents and issues");
    const population = await populate(
      (...question) => asking.ask(...question),
      options.size,
      programs,
      random,
    );
    const live = watchLive(ground);
    const sampler = startSampler(ground, (sample) =>
      appendFileSync(join(out, "samples.ndjson"), `${JSON.stringify(sample)}\n`),
    );
    const losable: Undecided[] = [];
    const load = startLoad(asking, population, {
      seed: options.seed + 2,
      rate: options.rate,
      liveRun: () => (live.runs.length > 0 ? random.pick(live.runs) : undefined),
    });
    const { undisturbed, course } = await disturb(ground, options, {
      losing: () => {
        losable.push(...history.undecided());
        // Acknowledgements that had arrived and were not read yet.
        setTimeout(() => losable.push(...history.undecided()), unreadMs);
      },
    });
    say("healing, and waiting for quiet");
    await ground.heal();
    await Promise.all([load.stop(), live.stop()]);
    const judgement = await judge({
      ground,
      askers: asking,
      history,
      population,
      witnessFile: programs.file,
      verdictFile: join(out, "verdict.txt"),
      losable,
      lostSpans: course.faults
        .filter(({ kind }) => kind === rollBackName)
        .map(({ beganAt, clearedAt }) => ({ from: beganAt, to: clearedAt })),
      require: options.require,
    });
    await sampler.stop();
    const summary = {
      seed: options.seed,
      seconds: Math.round((Date.now() - began) / 1_000),
      ...(await figures(ground, { askers: asking, undisturbed, course })),
      operations: history.counts(),
      trends: trendsOf(sampler.samples),
      ownEnds: ground.ownEnds,
      leftOut: load.leftOut,
      judgement,
    };
    writeFileSync(join(out, "summary.json"), `${JSON.stringify(summary, undefined, 1)}\n`);
    if (judgement.violations.length > 0) await keepRows(database, out);
    return summary;
  } finally {
    await askers?.close();
    await ground.stop();
  }
}

/** Far above what a local socket needs, and below what a client needs to be connected and heard again. */
const unreadMs = 200;

async function record({ postgres }: Ground): Promise<void> {
  const pool = createPool({ url: postgres.url, name: "soak-recorder", size: 1 });
  try {
    await setRecorder(pool, true);
  } finally {
    await pool.end();
  }
}

/** The quiet beginning, then the faults. */
async function disturb(
  ground: Ground,
  { seed, periods, periodMs, settleMs, undisturbedMs, signal, say }: SoakOptions,
  { losing }: { losing: () => void },
): Promise<{ undisturbed: Span; course: Course }> {
  const wait = (ms: number): Promise<void> =>
    pause(ms, undefined, { signal }).catch(() => undefined);
  await wait(settleMs);
  say(`${undisturbedMs / 1_000} s undisturbed`);
  const from = Date.now();
  await wait(undisturbedMs);
  const undisturbed = { from, to: Date.now() };
  const course = await plague(ground, { seed, periods, periodMs, signal, losing, say });
  return { undisturbed, course };
}

type LiveRun = { companyId: string; agentId: string; runId: string };
/** Runs under way, looked up twice a second: whom to cancel. */
function watchLive({ database }: Ground): { runs: LiveRun[]; stop(): Promise<void> } {
  const watched: { runs: LiveRun[] } = { runs: [] };
  let looking: Promise<void> | undefined;
  const look = async (): Promise<void> => {
    const found = await database
      .query<LiveRun>(
        `select company_id as "companyId", agent_id as "agentId", id as "runId" from heartbeat_runs where live limit 50`,
      )
      .catch(() => undefined);
    watched.runs = found?.rows ?? [];
  };
  const timer = setInterval(() => {
    looking ??= look().finally(() => (looking = undefined));
  }, 500);
  return {
    get runs() {
      return watched.runs;
    },
    stop: async () => {
      clearInterval(timer);
      await looking;
    },
  };
}

async function figures(
  { database }: Ground,
  { askers, undisturbed, course }: { askers: Askers; undisturbed: Span; course: Course },
): Promise<
  Pick<
    SoakSummary,
    "faults" | "wakes" | "runs" | "undisturbed" | "between" | "ratio" | "recoveries" | "course"
  >
> {
  const faults: Record<string, number> = {};
  for (const { kind } of course.faults) faults[kind] = (faults[kind] ?? 0) + 1;
  const runs = await database.query<{ status: string; n: number }>(
    "select status, count(*)::int as n from heartbeat_runs group by 1 order by 2 desc",
  );
  const wakes = await database.query<{ n: number }>("select count(*)::int as n from wake_verdicts");
  const [before, between] = [
    await throughputOf(database, [undisturbed]),
    await throughputOf(database, course.quiet),
  ];
  return {
    faults,
    wakes: wakes.rows[0]!.n,
    runs: Object.fromEntries(runs.rows.map(({ status, n }) => [status, n])),
    undisturbed: before,
    between,
    ratio: before.rate > 0 ? between.rate / before.rate : 0,
    recoveries: await recoveriesOf(database, course, askers.sent),
    course: course.faults,
  };
}

/** What whoever looks into a violation asks first. */
async function keepRows(database: Ground["database"], out: string): Promise<void> {
  for (const table of [
    "heartbeat_runs",
    "agent_wakeup_requests",
    "wake_verdicts",
    "run_transitions",
    "partitions",
  ]) {
    const { rows } = await database.query<{ row: string }>(
      `select row_to_json(t)::text as row from ${table} t`,
    );
    writeFileSync(join(out, `${table}.ndjson`), rows.map(({ row }) => `${row}\n`).join(""));
  }
}
