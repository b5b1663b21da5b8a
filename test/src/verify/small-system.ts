// Owns what the checker's tests judge: a real small system that has done a bit of everything and has come to rest, its database as a
// template of which each test takes a copy, its NATS, and what was written down outside. Its services are stopped: nothing mends what a
// test breaks.
import { randomUUID } from "node:crypto";
import { appendFileSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { historyLine } from "@reveille/shared/evidence/history";
import type { HistoryLine } from "@reveille/shared/evidence/history";
import { connectBus, type NatsBus } from "@reveille/shared/nats/bus";
import { createPool } from "@reveille/shared/postgres/pool";
import { setRecorder } from "@reveille/shared/postgres/recorder";
import type { VerifyReport } from "@reveille/shared/verify/report";
import { verify } from "@reveille/shared/verify/verify";
import pg from "pg";
import { startTestNats, type TestNats } from "../harness/nats.js";
import { sharedPostgresUrl } from "../harness/provided.js";
import { until } from "../harness/until.js";
import { startWholeSystem, type Row, type WholeSystem } from "../harness/whole-system.js";
import { openWitness, type Witness } from "../harness/witness.js";

export interface SmallSystem {
  /** The rows of a system at rest; make copies of it. */
  readonly databaseUrl: string;
  readonly nats: TestNats;
  readonly bus: NatsBus;
  readonly historyFile: string;
  readonly witness: Witness;
  readonly folder: string;
  /** What the checker said, again and again, while there was work; one report each. */
  readonly duringWork: readonly VerifyReport[];
  /** What it said at rest, while everything was still running. */
  readonly whileRunning: VerifyReport;
  /** A copy of the database, for one test to break. */
  copy(): Promise<Copy>;
  stop(): Promise<void>;
}
export interface Copy {
  readonly url: string;
  /** One statement; the rows. */
  sql<R extends object = Row>(text: string, values?: unknown[]): Promise<R[]>;
  drop(): Promise<void>;
}

/** Measured some seconds; the rest is for a busy machine. */
const restMs = 60_000;
/** Of what each wordy process prints. */
const linesPrinted = 2_000;

const result = `{"usage":{"inputTokens":7,"outputTokens":3,"cachedInputTokens":1},"costUsd":0.0004,"sessionId":"session-1"}`;

export async function startSmallSystem(): Promise<SmallSystem> {
  const folder = mkdtempSync(join(tmpdir(), "reveille-verify-"));
  const witness = openWitness(folder);
  const nats = await startTestNats();
  const system = await startWholeSystem({
    natsUrl: nats.serviceUrl,
    partitions: 8,
    counts: { gateways: 1, agentActors: 2, runners: 1 },
  });
  const databaseUrl = system.stack.endpoints.databaseUrl;
  const historyFile = join(folder, "history.ndjson");
  const pool = createPool({ url: databaseUrl, name: "verify-test", size: 3 });
  const bus = await connectBus({ url: nats.serviceUrl, name: "verify-test" });
  try {
    await setRecorder(pool, true);
    const tell = (line: HistoryLine): void => appendFileSync(historyFile, historyLine(line));
    const duringWork = await reportsDuring(work(system, witness, tell), () =>
      verify({ database: pool, bus, logs: 5 }),
    );
    const whileRunning = await verify({
      database: pool,
      bus,
      history: [historyFile],
      witness: [witness.file],
      atRest: true,
      require: 5,
      logs: Infinity,
    });
    return {
      databaseUrl,
      nats,
      bus,
      historyFile,
      witness,
      folder,
      duringWork,
      whileRunning,
      copy: () => copyOf(databaseUrl),
      stop: async () => {
        await bus.close();
        await nats.stop();
        rmSync(folder, { recursive: true, force: true });
      },
    };
  } finally {
    await pool.end();
    await system.stop();
  }
}

/** Judges one time after the other until the work is done. */
async function reportsDuring(
  working: Promise<void>,
  judge: () => Promise<VerifyReport>,
): Promise<VerifyReport[]> {
  let isDone = false;
  const done = working.finally(() => (isDone = true));
  const reports: VerifyReport[] = [];
  try {
    while (!isDone) reports.push(await judge());
  } finally {
    await done;
  }
  return reports;
}

/** Wakes, comments, repeated keys, a cancel, a failure that is tried again, two agents at one issue; until all of it is over. */
async function work(
  system: WholeSystem,
  witness: Witness,
  tell: (line: HistoryLine) => void,
): Promise<void> {
  const call = async (path: string, body: object): Promise<Row> => {
    const answer = await system.call("POST", path, body);
    if (answer.status >= 300) throw new Error(`${path}: ${JSON.stringify(answer)}`);
    return answer.body;
  };
  const companyId = String((await call("/companies", { name: "Judged" }))["id"]);
  const make = async (name: string, adapterConfig: object, runtimeConfig: object = {}) =>
    String(
      (
        await call(`/companies/${companyId}/agents`, {
          name,
          adapterType: "process",
          adapterConfig,
          runtimeConfig,
        })
      )["id"],
    );
  const shell = (script: string): object => ({
    command: "/bin/sh",
    args: ["-c", script],
    graceSec: 1,
  });
  const narrow = await make("Narrow", witness.agent("random", true, linesPrinted));
  const wide = await make("Wide", witness.agent("random", false, 10), {
    heartbeat: { maxConcurrentRuns: 3 },
  });
  const costly = await make("Costly", shell(`echo '${result}' > "$REVEILLE_RESULT_FILE"`));
  const failing = await make("Failing", shell("exit 3"), {
    retry: { max: 1, on: ["adapter_failed"], baseSec: 1, jitter: 0 },
  });
  const slow = await make("Slow", shell("echo slow; exec sleep 60"));
  const timed = await make("Timed", shell("true"), { heartbeat: { intervalSec: 1 } });
  const makeIssue = async (fields: object): Promise<string> =>
    String((await call(`/companies/${companyId}/issues`, { status: "todo", ...fields }))["id"]);
  const issueId = await makeIssue({ title: "Issue" });
  const assignedId = await makeIssue({ title: "Assigned", assigneeAgentId: narrow });

  const wake = async (agentId: string, payload: object, idempotencyKey?: string): Promise<Row> => {
    const id = randomUUID();
    const asked = {
      op: "wake",
      id,
      companyId,
      agentId,
      ...(idempotencyKey ? { idempotencyKey } : {}),
    };
    tell({ ...asked, at: Date.now(), phase: "invoke" });
    const body = await call(`/agents/${agentId}/wakeup`, { payload, ...asked });
    const runId = body["runId"] ?? body["id"];
    const [row] = (
      await system.database.query<Row>(
        `select v.wake_id, v.verdict ->> 'outcome' as outcome from wake_verdicts v where v.agent_id = $1 order by v.created_at desc, v.wake_id limit 1`,
        [agentId],
      )
    ).rows;
    tell({
      ...asked,
      at: Date.now(),
      phase: "ok",
      wakeId: String(row!["wake_id"]),
      ...(typeof runId === "string" ? { runId } : {}),
      outcome: String(row!["outcome"]),
    });
    return body;
  };
  for (let n = 0; n < 4; n += 1) {
    await wake(narrow, { taskKey: `task-${n}` });
    await wake(wide, n % 2 ? { issueId } : { taskKey: `task-${n}` });
    await wake(costly, { taskKey: "costs" });
  }
  await wake(narrow, { issueId });
  await wake(wide, { taskKey: "keyed" }, "one-key");
  await wake(wide, { taskKey: "keyed" }, "one-key");
  await wake(failing, { taskKey: "fails" });
  await wake(slow, { taskKey: "slow" });
  const comment = { op: "comment", id: randomUUID(), companyId, agentId: narrow };
  tell({ ...comment, at: Date.now(), phase: "invoke", issueId: assignedId });
  const { id: commentId } = await call(`/issues/${assignedId}/comments`, { body: "Look at this" });
  tell({ ...comment, at: Date.now(), phase: "ok", commentId: String(commentId) });

  const [running] = await until("the slow one runs", async () => {
    const { rows } = await system.database.query<Row>(
      "select id from heartbeat_runs where agent_id = $1 and status = 'running'",
      [slow],
    );
    return rows.length > 0 && rows;
  });
  const runId = String(running!["id"]);
  const asked = { op: "cancel", id: randomUUID(), companyId, agentId: slow, runId };
  tell({ ...asked, at: Date.now(), phase: "invoke" });
  await call(`/heartbeat-runs/${runId}/cancel`, {});
  tell({ ...asked, at: Date.now(), phase: "ok" });

  const count = async (sql: string, values: unknown[] = []): Promise<number> =>
    Number((await system.database.query<Row>(sql, values)).rows[0]!["n"]);
  await until(
    "its timer has woken an agent three times",
    async () =>
      (await count("select count(*) as n from agent_wakeup_requests where agent_id = $1", [
        timed,
      ])) >= 3,
  );
  await call(`/agents/${timed}/pause`, {});
  const refused = { op: "wake", id: randomUUID(), companyId, agentId: timed, wakeId: "refused" };
  tell({ ...refused, at: Date.now(), phase: "invoke" });
  const answer = await system.call("POST", `/agents/${timed}/wakeup`, { id: "refused" });
  tell({ ...refused, at: Date.now(), phase: "fail", status: answer.status });
  await until(
    "everything is over",
    async () =>
      (await count(
        `select (select count(*) from agent_wakeup_requests where finished_at is null) + (select count(*) from owed_wakes)
          + (select count(*) from heartbeat_runs where live or owes_release) as n`,
      )) === 0,
    { timeoutMs: restMs },
  );
}

async function copyOf(templateUrl: string): Promise<Copy> {
  const name = `v_${randomUUID().replaceAll("-", "")}`;
  const template = new URL(templateUrl).pathname.slice(1);
  await onServer(`create database ${name} template ${template}`);
  const url = new URL(templateUrl);
  url.pathname = `/${name}`;
  const pool = new pg.Pool({ connectionString: url.href, max: 1 });
  return {
    url: url.href,
    sql: async <R extends object>(text: string, values: unknown[] = []) =>
      (await pool.query<R>(text, values)).rows,
    drop: async () => {
      await pool.end();
      // Its last session takes a moment to leave.
      let refusal = "";
      await until(
        `${name} is dropped`,
        () =>
          onServer(`drop database ${name}`).then(
            () => true,
            (error: Error) => {
              refusal = error.message;
              return false;
            },
          ),
        { describe: () => refusal },
      );
    },
  };
}

async function onServer(text: string): Promise<void> {
  const client = new pg.Client({ connectionString: sharedPostgresUrl() });
  await client.connect();
  try {
    await client.query(text);
  } finally {
    await client.end();
  }
}
