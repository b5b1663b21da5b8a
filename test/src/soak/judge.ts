// Owns the end of a soak: nothing new comes, everything comes to rest, and the checker judges rows, streams and what was written outside.
// Knows what was lost by design, and nothing else may be.
import { spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { closeSync, openSync } from "node:fs";
import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { openBucket } from "@reveille/shared/nats/bucket";
import { topologyNames } from "@reveille/shared/protocol/topology";
import { violationTexts, type VerifyReport } from "@reveille/shared/verify/report";
import { verify } from "@reveille/shared/verify/verify";
import { progressOf } from "../harness/ledger.js";
import { until } from "../harness/until.js";
import type { Askers } from "./askers.js";
import type { Ground } from "./ground.js";
import type { HistoryWriter, Undecided } from "./history-writer.js";
import type { Span } from "./nemesis.js";
import type { Population } from "./population.js";
import { groupsOf } from "./samples.js";

export interface Judgement {
  violations: string[];
  report: VerifyReport | null;
  /** From the last fault's end to rest, ms; null: it never came. */
  quietAfterMs: number | null;
  /** Wakes that JetStream alone had when its store was lost, and that nobody knows of any more. */
  lostByDesign: number;
  /** Issues whose lock named somebody dead at rest; they were asked for, and the dead had to give way. */
  askedFor: number;
}
export interface Judged {
  ground: Ground;
  askers: Askers;
  history: HistoryWriter;
  population: Population;
  witnessFile: string;
  /** Where what the command says is kept. */
  verdictFile: string;
  /** Undecided when a store was lost. */
  losable: readonly Undecided[];
  /** When the store was rolled back: it does not know what it has lost. */
  lostSpans: readonly Span[];
  /** So many runs must have succeeded, or there was nothing to judge. */
  require: number;
}

/** Delays of retries, backlogs of half a minute of load, and a busy machine. */
const quietMs = 180_000;
/** Longer than a reader of a mailbox or log is remembered; runners remove what a dead one has left when they start. */
const leftoversMs = 30_000;

export async function judge(judged: Judged): Promise<Judgement> {
  const began = performance.now();
  await endTimers(judged);
  const violations: string[] = [];
  const quiet = await becomesQuiet(judged).catch((error: Error) => {
    violations.push(`it does not become quiet: ${error.message}`);
    return false;
  });
  const quietAfterMs = quiet ? Math.round(performance.now() - began) : null;
  const askedFor = quiet ? await askForLocked(judged) : 0;
  if (askedFor > 0)
    await becomesQuiet(judged).catch((error: Error) =>
      violations.push(`who is dead keeps an issue: ${error.message}`),
    );
  const lostByDesign = await settleLosses(judged);
  violations.push(...(await nameMarked(judged)));
  const report = await verify({
    database: judged.ground.postgres.url,
    bus: judged.ground.bus,
    history: [judged.history.file],
    witness: [judged.witnessFile],
    atRest: true,
    logs: Number.POSITIVE_INFINITY,
    lostSpans: judged.lostSpans,
    require: judged.require,
  });
  violations.push(...violationTexts(report), ...(await deadLetters(judged)));
  const status = await byCommand(judged);
  const expected = { clean: 0, violated: 1, unchecked: 2 }[report.verdict];
  if (status !== expected)
    violations.push(`\`reveille verify\` ended with ${status} where ${expected} was right`);
  violations.push(...(await leftovers(judged)));
  return { violations, report, quietAfterMs, lostByDesign, askedFor };
}

const cli = fileURLToPath(new URL("../../../cli/dist/main.js", import.meta.url));

/** The same question as an operator would ask it; its exit status. */
async function byCommand(judged: Judged): Promise<number> {
  const { ground, history, witnessFile, verdictFile, lostSpans } = judged;
  // The command cannot be told which logs a store that was rolled back has lost.
  const logs = lostSpans.length > 0 ? "0" : "all";
  const args = ["verify", "--at-rest", "--history", history.file, "--witness", witnessFile];
  const output = openSync(verdictFile, "w");
  try {
    const child = spawn(process.execPath, [cli, ...args, "--logs", logs], {
      env: {
        ...process.env,
        DATABASE_URL: ground.postgres.url,
        NATS_URL: ground.nats.url,
        REVEILLE_SERVICE_NATS_URL: ground.nats.urlOf("operator"),
      },
      stdio: ["ignore", output, output],
    });
    return await new Promise((resolve, reject) => {
      child.once("error", reject);
      child.once("exit", (code) => resolve(code ?? -1));
    });
  } finally {
    closeSync(output);
  }
}

/** A beat that goes on for ever never comes to rest: behind a gate it leaves nothing. */
async function endTimers({ askers, population }: Judged): Promise<void> {
  for (const { agentId } of population.agents.filter(({ role }) => role === "timed"))
    await until(
      "timers are paused",
      async () => {
        const answer = await askers
          .ask("POST", `/agents/${agentId}/pause`, {})
          .catch(() => undefined);
        return answer?.["status"] === "paused";
      },
      { timeoutMs: 60_000 },
    );
}

async function becomesQuiet({ ground, population }: Judged): Promise<true> {
  let seen: object = {};
  return until<true>(
    "everything is over",
    async () => {
      const progress = await progressOf(ground.database);
      const { rows } = await ground.database.query<{ n: number }>(
        "select count(*)::int as n from owed_wakes",
      );
      seen = { ...progress, owedWakes: rows[0]!.n, agents: population.agents.length };
      const { openWakes, openRuns, owed } = progress;
      return openWakes + openRuns + owed + rows[0]!.n === 0;
    },
    { timeoutMs: quietMs, describe: () => seen },
  );
}

/** What was released is on its way for so long at most: reconciling comes every 10 s. */
const releasedMs = 12_000;

/**
 * A bucket that was rolled back has holders again who had let go. They keep nobody out: whoever wants the issue next takes their place, so
 * somebody wants each. Returns how many there were.
 */
async function askForLocked({ ground, askers, population }: Judged): Promise<number> {
  const bucket = await openBucket(ground.bus, topologyNames("rv").issueLocks);
  const deadline = performance.now() + releasedMs;
  let keys = await bucket.keys();
  while (keys.length > 0 && performance.now() < deadline) {
    await pause(500);
    keys = await bucket.keys();
  }
  for (const key of keys) {
    const [companyId, issueId] = key.split(".");
    const agent = population.agents.find(
      (one) => one.companyId === companyId && one.role === "narrow",
    )!;
    await askers.publish(agent, { payload: { issueId }, id: randomUUID() });
  }
  // The wakes have to be decided before quiet can be seen.
  if (keys.length > 0) await pause(2_000);
  return keys.length;
}

/** Those that nobody has decided by now are `info`: G10 says so, and the history then says the same. Returns how many. */
async function settleLosses({ ground, history, losable }: Judged): Promise<number> {
  const { rows } = await ground.database.query<{ wakeId: string }>(
    `select x.wake as "wakeId" from unnest($1::uuid[], $2::text[]) as x(agent, wake)
      where not exists (select 1 from wake_verdicts v where v.agent_id = x.agent and v.wake_id = x.wake)`,
    [losable.map(({ agentId }) => agentId), losable.map(({ wakeId }) => wakeId)],
  );
  const lost = new Set(rows.map(({ wakeId }) => wakeId));
  const told = new Map(losable.map((one) => [one.wakeId, one]));
  for (const wakeId of lost) history.info(told.get(wakeId)!.asked);
  return lost.size;
}

/** An answer over HTTP that names a run does not name the wake: its mark finds it, and what was answered yes must be there. */
async function nameMarked({ ground, history, askers }: Judged): Promise<string[]> {
  const { rows } = await ground.database.query<{ mark: string; wakeId: string }>(
    `select payload ->> 'mark' as mark, wake_id as "wakeId" from agent_wakeup_requests where payload ? 'mark'`,
  );
  const wakeIds = new Map(rows.map(({ mark, wakeId }) => [mark, wakeId]));
  const missing: string[] = [];
  for (const [mark, { status, outcome, ...asked }] of askers.marked) {
    const wakeId = wakeIds.get(mark);
    const answer = { ...(status ? { status } : {}), ...(outcome ? { outcome } : {}) };
    if (wakeId) history.ok({ ...asked, wakeId }, answer);
    else
      missing.push(
        `answered with ${status} and a run, and no wake is known: ${JSON.stringify(asked)}`,
      );
  }
  return missing;
}

async function deadLetters({ ground }: Judged): Promise<string[]> {
  const { rows } = await ground.database.query<object>(
    "select kind, stage, reason, count(*)::int as n from dead_letters group by 1, 2, 3 limit 5",
  );
  return rows.map((row) => `dead letters: ${JSON.stringify(row)}`);
}

/** What runners that are gone have left on the machine. */
async function leftovers({ ground }: Judged): Promise<string[]> {
  const living = new Set(ground.places.map(({ process }) => process.pid));
  const dead = new Set([...ground.runnerPids].filter((pid) => !living.has(pid)));
  const deadline = performance.now() + leftoversMs;
  let left = groupsOf(dead);
  while (left.length > 0 && performance.now() < deadline) {
    await pause(500);
    left = groupsOf(dead);
  }
  return left.map((name) => `a control group of a runner that is gone: ${name}`);
}
