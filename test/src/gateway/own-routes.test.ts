// The routes that only Reveille has, on rows that tests put there: wake requests, locks, mailboxes, dead letters, hosts and runners.
import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { openBucket } from "@reveille/shared/nats/bucket";
import { lockKey } from "@reveille/shared/protocol/issue-lock";
import { createAgent, eventually, startGatewayRig, subjects } from "./rig.js";
import type { GatewayProcess, GatewayRig, Row } from "./rig.js";
import { insertRun } from "./tenants.js";

let rig: GatewayRig;
let gateway: GatewayProcess;
let companyId: string;
let agentId: string;

beforeAll(async () => {
  rig = await startGatewayRig();
  gateway = await rig.gateway();
});
beforeEach(async () => {
  ({ companyId, agentId } = await createAgent(gateway, {
    runtimeConfig: { heartbeat: { intervalSec: 60, maxConcurrentRuns: 2 } },
  }));
});
afterAll(() => rig?.stop());

const get = async (path: string): Promise<Row> => {
  const { status, body } = await gateway.call("GET", path);
  expect({ status, body }).toMatchObject({ status: 200 });
  return body as Row;
};

describe("wake requests", () => {
  async function insertWake(more: Row = {}): Promise<string> {
    const row = {
      id: randomUUID(),
      company_id: companyId,
      agent_id: agentId,
      source: "on_demand",
      status: "completed",
      wake_id: "w",
      partition: 0,
      generation: 1,
      stream_seq: 1,
      ...more,
    };
    const keys = Object.keys(row);
    await rig.database.query(
      `insert into agent_wakeup_requests (${keys.join()}) values (${keys.map((_, at) => `$${at + 1}`).join()})`,
      Object.values(row),
    );
    return row.id;
  }

  test("come in pages that go on where they ended, whatever is written meanwhile", async () => {
    const same = "2026-05-05T05:05:05.123Z";
    const ids: string[] = [];
    for (let n = 0; n < 7; n += 1) ids.push(await insertWake({ requested_at: same }));
    const seen: string[] = [];
    let cursor = "";
    for (let pages = 0; pages < 10; pages += 1) {
      const path = `/api/agents/${agentId}/wake-requests?limit=2${cursor}`;
      const { items, next } = (await get(path)) as { items: Row[]; next: string | null };
      seen.push(...items.map(({ id }) => String(id)));
      await insertWake();
      if (next === null) break;
      cursor = `&cursor=${next}`;
    }
    expect(seen).toEqual([...ids].sort().toReversed());
  });

  test("are filtered, and one shows its context", async () => {
    const runId = await insertRun(rig.database, { companyId, agentId });
    const joined = await insertWake({ status: "coalesced", run_id: runId, wake_id: "mine" });
    const waits = await insertWake({
      status: "deferred_issue_execution",
      waits: true,
      issue_id: randomUUID(),
      context_snapshot: { taskKey: "t" },
    });
    const list = async (query: string): Promise<unknown[]> => {
      const { items } = await get(`/api/companies/${companyId}/wake-requests?${query}`);
      return (items as Row[]).map(({ id }) => id);
    };
    expect(await list(`agentId=${agentId}`)).toHaveLength(2);
    expect(await list("status=coalesced")).toEqual([joined]);
    expect(await list(`runId=${runId}`)).toEqual([joined]);
    expect(await list("wakeId=mine")).toEqual([joined]);
    expect(await list("source=timer")).toEqual([]);
    const one = await get(`/api/wake-requests/${waits}`);
    expect(one).toMatchObject({ id: waits, contextSnapshot: { taskKey: "t" }, waits: true });
  });
});

test("the lock of an issue: its value, its holder, and who waits in order", async () => {
  const issue = await gateway.call("POST", `/api/companies/${companyId}/issues`, { title: "A" });
  const issueId = String((issue.body as Row)["id"]);
  const path = `/api/issues/${issueId}/lock`;
  expect(await get(path)).toMatchObject({ issueId, lock: null, holder: null, waiters: [] });
  const runId = await insertRun(rig.database, { companyId, agentId, issueId });
  await rig.database.query("update heartbeat_runs set holds_issue = true where id = $1", [runId]);
  const waiting = await insertRun(rig.database, { companyId, agentId, issueId });
  await rig.database.query("update heartbeat_runs set phase = 'waiting' where id = $1", [waiting]);
  const entry = {
    runId,
    requestId: randomUUID(),
    companyId,
    agentId,
    partition: 0,
    generation: 1,
    sequence: 1,
    requestedAtMs: 5,
  };
  const bucket = await openBucket(rig.bus, "issue-locks");
  const value = { holder: entry, waiters: [{ ...entry, runId: waiting }] };
  await bucket.put(lockKey(companyId, issueId), Buffer.from(JSON.stringify(value)));
  expect(await get(path)).toMatchObject({
    lock: { ...value, revision: expect.any(Number) },
    holder: { runId, agentId, agentName: "Worker", status: "running" },
    waiters: [{ kind: "run", runId: waiting, agentName: "Worker" }],
  });
});

test("a mailbox: what is undecided, what runs, what waits and for what, and the next timer", async () => {
  const run = async (phase: string, more: Row = {}): Promise<string> => {
    const id = await insertRun(rig.database, { companyId, agentId });
    const set = { status: phase === "running" ? "running" : "queued", phase, ...more };
    const keys = Object.keys(set);
    await rig.database.query(
      `update heartbeat_runs set ${keys.map((key, at) => `${key} = $${at + 2}`).join()} where id = $1`,
      [id, ...Object.values(set)],
    );
    return id;
  };
  const running = await run("running", { stream_seq: 1 });
  const waiting = await run("waiting", { stream_seq: 2 });
  const delayed = await run("queued", { stream_seq: 3, not_before: "2999-01-01T00:00:00Z" });
  const queued = await run("queued", { stream_seq: 4 });
  await rig.bus.js.publish(subjects.mailbox(companyId, agentId, "wake"), Buffer.from("{}"));
  const path = `/api/agents/${agentId}/mailbox`;
  const mailbox = await get(path);
  expect(mailbox).toMatchObject({
    agentId,
    status: "idle",
    undecided: [{ kind: "wake" }],
    slots: { max: 2, used: 1 },
    schedule: { kind: "interval", periodMs: 60_000, catchUp: "once" },
  });
  expect((mailbox["schedule"] as Row)["nextTimerAt"]).not.toBeNull();
  const waitsFor = (of: Row) =>
    (of["runs"] as Row[]).map((each) => [each["runId"], each["waitsFor"]]);
  expect(waitsFor(mailbox)).toEqual([
    [running, "none"],
    [waiting, "issue"],
    [delayed, "delay"],
    [queued, "slot"],
  ]);
  const sent = await run("dispatched", { stream_seq: 5, pool: "gone" });
  const reason = expect.stringMatching(/^pool gone is not there any more .*default/);
  expect(((await get(path))["runs"] as Row[]).at(-1)).toMatchObject({
    runId: sent,
    waitsFor: "runner",
    pool: "gone",
    reason,
  });
  await rig.database.query("update heartbeat_runs set active = true where id = $1", [sent]);
  expect((await get("/api/pools"))["pools"]).toContainEqual({
    pool: "gone",
    configured: false,
    waiting: 1,
    running: 0,
    demand: 1,
    runners: 0,
    slots: 0,
    reason,
  });
  await rig.database.query("delete from heartbeat_runs where id = $1", [sent]);
  await rig.database.query("update agents set status = 'paused' where id = $1", [agentId]);
  expect(waitsFor(await get(path)).at(-1)).toEqual([queued, "agent"]);
});

describe("dead letters", () => {
  async function insertLetter(more: Row = {}): Promise<number> {
    const row = {
      company_id: companyId,
      agent_id: agentId,
      partition: 0,
      generation: 1,
      stream_seq: 1,
      kind: "cancel",
      stage: "decode",
      reason: "because",
      payload_base64: Buffer.from('{"runId":"x"}').toString("base64"),
      ...more,
    };
    const keys = Object.keys(row);
    const { rows } = await rig.database.query<{ id: string }>(
      `insert into dead_letters (${keys.join()}) values (${keys.map((_, at) => `$${at + 1}`).join()}) returning id`,
      Object.values(row),
    );
    return Number(rows[0]!.id);
  }

  test("are listed, the newest first, and shown with their payload", async () => {
    const [first, second, third] = [
      await insertLetter(),
      await insertLetter(),
      await insertLetter(),
    ];
    const list = `/api/dead-letters?companyId=${companyId}&limit=2`;
    const page = (await get(list)) as { items: Row[]; next: string };
    expect(page.items.map(({ id }) => id)).toEqual([third, second]);
    expect(page.items[0]).not.toHaveProperty("payloadBase64");
    const rest = await get(`${list}&cursor=${page.next}`);
    expect(rest).toMatchObject({ items: [{ id: first }], next: null });
    expect(await get(`/api/dead-letters/${first}`)).toMatchObject({
      reason: "because",
      payloadBase64: expect.any(String),
    });
  });

  test("one is put into its mailbox again as it was, once", async () => {
    const id = await insertLetter();
    const path = `/api/dead-letters/${id}/replay`;
    const answers = await Promise.all([gateway.call("POST", path), gateway.call("POST", path)]);
    expect(answers.map(({ status }) => status).sort((a, b) => a - b)).toEqual([202, 404]);
    const heard = await eventually("it is in the mailbox", () =>
      rig.actor.heard.filter((each) => each.agentId === agentId && each.kind === "cancel"),
    );
    expect(heard).toMatchObject([{ body: { runId: "x" } }]);
    expect((await gateway.call("GET", `/api/dead-letters/${id}`)).status).toBe(404);
  });

  test("what cannot be replayed is refused with the reason, and can be dropped", async () => {
    const large = Buffer.alloc(48 * 1024).toString("base64");
    for (const id of [
      await insertLetter({ payload_base64: large }),
      await insertLetter({ agent_id: null }),
      await insertLetter({ kind: "nonsense" }),
    ]) {
      expect((await gateway.call("POST", `/api/dead-letters/${id}/replay`)).status).toBe(409);
      expect((await gateway.call("DELETE", `/api/dead-letters/${id}`)).body).toEqual({ ok: true });
      expect((await gateway.call("DELETE", `/api/dead-letters/${id}`)).status).toBe(404);
    }
  });
});

test("partitions show their hosts, cursors and lag", async () => {
  const hostId = randomUUID();
  await rig.database.query(
    "insert into hosts (id, lease_until, version) values ($1, now() + interval '1 h', '1')",
    [hostId],
  );
  await rig.database.query("update partitions set owner = $1, epoch = 3 where partition = 1", [
    hostId,
  ]);
  await rig.bus.js.publish(subjects.mailbox(companyId, agentId, "wake"), Buffer.from("{}"));
  const { hosts, partitions, partitionCount } = (await get("/api/partitions")) as Record<
    string,
    Row[]
  >;
  expect(partitionCount).toBe(4);
  expect(hosts).toMatchObject([{ id: hostId, partitions: 1 }]);
  expect(partitions).toHaveLength(4);
  expect(partitions![1]).toMatchObject({ partition: 1, owner: hostId, epoch: 3 });
  const behind = partitions!.filter(({ lagMs }) => lagMs !== null);
  expect(behind.length).toBeGreaterThan(0);
});

test("runners show what their leases say", async () => {
  const incarnation = randomUUID();
  const bucket = await openBucket(rig.bus, "runner-leases");
  const lease = {
    incarnation,
    runnerId: "test",
    pool: "default",
    hostname: "here",
    pid: 1,
    version: "1",
    slots: 4,
    draining: false,
    containment: "best_effort",
    startedAt: new Date().toISOString(),
    adapters: ["process"],
    runs: [],
  };
  await bucket.put(incarnation, Buffer.from(JSON.stringify(lease)));
  await bucket.put(randomUUID(), Buffer.from("nonsense"));
  expect(await get("/api/runners")).toEqual({ runners: [lease], unread: 1 });
  await eventually("its slots are those of its pool", async () => {
    const { pools } = (await get("/api/pools")) as { pools: Row[] };
    const own = pools.find(({ pool }) => pool === "default");
    return own?.["runners"] === 1 && own["slots"] === 4 && own["configured"] === true;
  });
});
