// Owns the violations that only streams, buckets, histories and witnesses show.
import { randomUUID } from "node:crypto";
import { openBucket } from "@reveille/shared/nats/bucket";
import { AckPolicy } from "@nats-io/jetstream";
import { lockKey } from "@reveille/shared/protocol/issue-lock";
import { topologyNames } from "@reveille/shared/protocol/topology";
import { createSubjects } from "@reveille/shared/protocol/subjects";
import pg from "pg";
import { change, revived, runWhere, told, witnessed, type Plant, type Scene } from "./plants.js";

const names = topologyNames("rv");
const subjects = createSubjects();
const ended = "status = 'succeeded' and started_at is not null";
const narrow = `${ended} and agent_id = (select id from agents where name = 'Narrow')`;

/** A process of long after the end of its run, in ms since boot. */
const lateMs = 1e12;

const byWitness: Record<string, Plant> = {
  "no process met another one at work on its issue": async (scene) =>
    witnessed(scene, [{ what: "overlap", with: "issue" }], await runWhere(scene, ended)),
  "no process met another one of its agent's only slot": async (scene) =>
    witnessed(scene, [{ what: "overlap", with: "agent" }], await runWhere(scene, ended)),
  "no process met another attempt of its run": async (scene) =>
    witnessed(scene, [{ what: "overlap", with: "run" }], await runWhere(scene, ended)),
  "no two processes of an issue at once, as they wrote it down": async (scene) => {
    const run = await runWhere(scene, `${ended} and issue_id is not null`);
    const runId = randomUUID();
    const lines = [{}, { runId }, { runId, what: "end" as const }, { what: "end" as const }];
    return witnessed(scene, lines, run);
  },
  "no agent had more processes than slots, as they wrote it down": async (scene) => {
    const run = await runWhere(scene, narrow);
    const runId = randomUUID();
    const lines = [{}, { runId }, { runId, what: "end" as const }, { what: "end" as const }];
    return witnessed(scene, lines, run);
  },
  "each attempt was started once, and with a go": async (scene) =>
    witnessed(scene, [{}, {}], await runWhere(scene, ended)),
  "an attempt starts when the one before it is silent": async (scene) => {
    const lines = [
      { bootMs: 1_000 },
      { attempt: 2, bootMs: 2_000 },
      { what: "child" as const, bootMs: 2_500 },
    ];
    return witnessed(scene, lines, await runWhere(scene, ended));
  },
  "processes live between the go and the end of their run": async (scene) =>
    witnessed(scene, [{ bootMs: lateMs }], await runWhere(scene, ended)),
  "a run costs what its processes told": async (scene) => {
    const run = await runWhere(scene, `${ended} and usage_json is not null`);
    return witnessed(scene, [{}, { what: "end", costMicros: 401 }], run);
  },
};

async function agentIn({ copy }: Scene, name: string): Promise<{ id: string; companyId: string }> {
  const [agent] = await copy.sql<{ id: string; companyId: string }>(
    `select id, company_id as "companyId" from agents where name = $1`,
    [name],
  );
  return agent!;
}

const byHistory: Record<string, Plant> = {
  "what was answered of a wake is so": async (scene) => {
    const { id: agentId, companyId } = await agentIn(scene, "Narrow");
    const line = { op: "wake", id: "1", companyId, agentId, at: Date.now() };
    const [{ wakeId }] = (await scene.copy.sql<{ wakeId: string }>(
      `select wake_id as "wakeId" from wake_verdicts where agent_id = $1 limit 1`,
      [agentId],
    )) as [{ wakeId: string }];
    const lines = [
      { ...line, phase: "ok", wakeId: "never-heard-of", outcome: "queued" } as const,
      { ...line, id: "2", phase: "fail", wakeId } as const,
      // Nobody knows what became of it, so nothing has to be there.
      { ...line, id: "3", phase: "info", wakeId: "perhaps" } as const,
    ];
    return told(scene, lines, ["never-heard-of", wakeId]);
  },
  "a cancelled run is over at rest": async (scene) => {
    await scene.copy.sql(change("heartbeat_runs", narrow, revived("cancelling")));
    const { runId, agentId, companyId } = await runWhere(scene, "phase = 'cancelling'");
    const line = { op: "cancel", id: "1", companyId, agentId, runId, at: Date.now() };
    return told(scene, [{ ...line, phase: "ok" }], [runId]);
  },
  "no process of a cancelled run writes after the grace": async (scene) => {
    const run = await runWhere(scene, narrow);
    const { options } = witnessed(scene, [{ bootMs: lateMs }], run);
    const { runId, agentId, companyId } = run;
    const line = { op: "cancel", id: "1", companyId, agentId, runId, at: Date.now() };
    const planted = told(scene, [{ ...line, phase: "ok" }], [runId]);
    return { ...planted, options: { ...options, ...planted.options } };
  },
  "who repeats a key is told the same run": async (scene) => {
    const { id: agentId, companyId } = await agentIn(scene, "Wide");
    const other = randomUUID();
    const line = { op: "wake", companyId, agentId, at: 1, idempotencyKey: "key" } as const;
    const lines = [randomUUID(), other].map((runId, n) => ({
      ...line,
      phase: "ok" as const,
      id: String(n),
      runId,
    }));
    return told(scene, lines, [other]);
  },
  "an accepted comment reached a run that began after it": async (scene) => {
    const { id: agentId, companyId } = await agentIn(scene, "Narrow");
    const commentId = randomUUID();
    const line = { op: "comment", id: "1", companyId, agentId, commentId, at: Date.now() };
    return told(scene, [{ ...line, phase: "ok" }], [commentId]);
  },
};

/** A value in a bucket for the length of a test. */
async function put(
  { system, undo }: Scene,
  bucket: string,
  key: string,
  value: unknown,
): Promise<void> {
  const opened = await openBucket(system.bus, bucket);
  await opened.put(key, Buffer.from(JSON.stringify(value)));
  undo(async () => opened.remove(key, (await opened.get(key))?.revision ?? 0));
}

/** A message in a stream for the length of a test. */
async function publish(
  { system, undo }: Scene,
  stream: string,
  subject: string,
  text: string,
): Promise<void> {
  const { seq } = await system.bus.js.publish(subject, text);
  undo(() => system.bus.jsm.streams.deleteMessage(stream, seq));
}

const execution = async (scene: Scene): Promise<string> => {
  const { companyId, runId, attempt } = await runWhere(scene, ended);
  const subject = subjects.execution("default", companyId, runId, attempt);
  await publish(scene, names.exec, subject, "x");
  return runId;
};

const byStreams: Record<string, Plant> = {
  "a run's log is whole, or says that it was cut": async (scene) => {
    const { copy } = scene;
    const [run] = await copy.sql<{ id: string }>(
      change("heartbeat_runs", `${narrow} and log_bytes > 0`, "log_sha256 = repeat('0', 64)"),
    );
    return { shows: [run!.id] };
  },
  "the lock of an issue names the run that holds it in Postgres": async ({ copy }) => {
    const [run] = await copy.sql<{ id: string }>(
      change("heartbeat_runs", "issue_id is not null", "holds_issue = true"),
    );
    return { shows: [run!.id] };
  },
  "whoever stands in the lock of an issue is alive": async (scene) => {
    const { companyId, runId, agentId, issueId } = await runWhere(scene, "issue_id is not null");
    const holder = {
      companyId,
      runId,
      agentId,
      requestId: randomUUID(),
      partition: 0,
      generation: 0,
      sequence: 0,
      requestedAtMs: 0,
    };
    await put(scene, names.issueLocks, lockKey(companyId, issueId!), { holder, waiters: [] });
    return { shows: [runId] };
  },
  "a stored execution is the current attempt of a dispatched run": async (scene) => ({
    shows: [await execution(scene)],
  }),
  "the queue of executions is empty at rest": async (scene) => {
    await execution(scene);
    return { shows: [names.poolConsumer("default")] };
  },
  "a dispatched run has its execution": async ({ copy }) => {
    const [run] = await copy.sql<{ id: string }>(
      change("heartbeat_runs", narrow, revived("dispatched")),
    );
    return { shows: [run!.id] };
  },
  "cursors stand at the message that was applied last": async ({ copy }) => {
    await copy.sql(
      change("partitions", "cursor_seq > 0", "cursor_ns = cursor_ns - 1", "partition"),
    );
    return { shows: ["is not the one that was applied"] };
  },
  "no message is undecided at rest": async (scene) => {
    const { id, companyId } = await agentIn(scene, "Narrow");
    await publish(scene, names.mailbox, subjects.mailbox(companyId, id, "wake"), "{}");
    return { shows: [id] };
  },
  "no stored message has a secret": async (scene) => {
    const { companyId, runId } = await runWhere(scene, ended);
    const subject = subjects.log(companyId, runId, "stdout");
    await publish(scene, names.logs, subject, "the key is very-sec");
    await publish(scene, names.logs, subject, "ret-indeed, keep it");
    return { shows: [runId], options: { canaries: ["very-secret-indeed"] } };
  },
  "no session waits in an open transaction": async ({ copy, undo }) => {
    const client = new pg.Client({ connectionString: copy.url, application_name: "forgotten" });
    await client.connect();
    undo(() => client.end());
    await client.query("begin");
    await client.query("select 1");
    // What the check allows, and a bit.
    await new Promise((resolve) => setTimeout(resolve, 10_500));
    return { shows: ["forgotten"] };
  },
  "who reads mailboxes and logs leaves no consumer behind": async ({ system, undo }) => {
    const { jsm } = system.bus;
    const { name } = await jsm.consumers.add(names.mailbox, {
      ack_policy: AckPolicy.None,
      inactive_threshold: 3_600_000_000_000,
    });
    undo(() => jsm.consumers.delete(names.mailbox, name));
    return { shows: [name] };
  },
  "what a runner's lease names is its run in Postgres": async (scene) => {
    const { runId } = await runWhere(scene, ended);
    const incarnation = randomUUID();
    await put(scene, names.runnerLeases, incarnation, {
      incarnation,
      runnerId: "left",
      pool: "default",
      hostname: "here",
      pid: 1,
      version: "1",
      slots: 1,
      draining: false,
      containment: "cgroup",
      startedAt: "now",
      runs: [{ runId, attempt: 1, claimId: randomUUID() }],
    });
    return { shows: [runId] };
  },
};

export const outsidePlants: Readonly<Record<string, Plant>> = {
  ...byWitness,
  ...byHistory,
  ...byStreams,
};
