// The simulated store against a real Postgres: the same statements of the shipped shell, in random sequences and in chosen cases, must be
// answered alike and leave the same tables. And every statement that the shell has must have been asked here.
import { commitBatch } from "@reveille/agent-actor/shell/commit";
import { removeDeletedAgents } from "@reveille/agent-actor/shell/deleted-agents";
import { loadAgents } from "@reveille/agent-actor/shell/load";
import { removeOld } from "@reveille/agent-actor/shell/retention";
import type { Sql } from "@reveille/shared/postgres/pool";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createRandom } from "../simulation/machine/random.js";
import { handlers } from "../simulation/store/statements/handlers.js";
import { statementNames } from "./store-names.js";
import { commitRows, lookAtHolder, operate } from "./store-operations.js";
import type { Scene } from "./store-operations.js";
import { poisons, rowSetOf } from "./store-poison.js";
import { createScene } from "./store-scene.js";
import { createSecretScene } from "./store-secrets.js";
import { createTwin } from "./store-twin.js";

const partitions = 4;
const dayMs = 86_400_000;
/** By name: was there ever something to answer? Filled by every test of this file. */
const asked = new Map<string, boolean>();

async function openScene(seed: number): Promise<Scene> {
  return createScene(await createTwin(partitions), createRandom(seed), partitions);
}
async function close({ twin }: Scene): Promise<void> {
  for (const [name, found] of twin.asked) asked.set(name, found || asked.get(name) === true);
  await twin.stop();
}

// As many as take a few seconds; each statement is asked about a hundred times.
test.each([1, 2, 3])("random statements of seed %i", async (seed) => {
  const scene = await openScene(seed);
  try {
    for (let step = 1; step <= 300; step += 1)
      try {
        await operate(scene);
        if (step % 10 === 0) await scene.twin.compareTables();
      } catch (error) {
        const said = (error as Error).message;
        throw new Error(`seed ${seed}, step ${step}: ${said}`, { cause: error });
      }
  } finally {
    await close(scene);
  }
  expect([...scene.outcomes.keys()]).toEqual(expect.arrayContaining(["committed", "fenced"]));
});

describe("chosen cases", () => {
  let scene: Scene;
  beforeAll(async () => {
    scene = await openScene(7);
    const { rows } = scene;
    const first = rows.newRun();
    const run = { ...first, holdsIssue: false };
    await commitRows(scene, rowSetOf([{ table: "runs", op: "insert", row: run }]), "ours");
  });
  afterAll(() => close(scene));

  test.each(poisons)("a batch with $what is refused whole: $outcome", async (poison) => {
    scene.outcomes.clear();
    const committed = await commitRows(scene, rowSetOf(poison.rows(scene.rows)), "ours");
    expect(committed.kind === "rejected" ? committed.reason : committed.kind).toContain(
      poison.outcome.split(" ").at(-1),
    );
    await scene.twin.compareTables();
  });

  test("an issue goes from a run that ends to one that begins, in one batch", async () => {
    const { rows } = scene;
    const issueId = rows.cast.issueIds[1]!;
    const insert = (of: object) => ({
      table: "runs" as const,
      op: "insert" as const,
      row: { ...rows.newRun(), issueId, ...of },
    });
    const holder = insert({ holdsIssue: true });
    expect(await commitRows(scene, rowSetOf([holder]), "ours")).toEqual({ kind: "committed" });
    const end = { ...rows.changed("runs", holder.row.id), issueId, holdsIssue: false };
    const both = [
      { table: "runEnds" as const, op: "update" as const, row: end },
      insert({ holdsIssue: true }),
    ];
    expect(await commitRows(scene, rowSetOf(both), "ours")).toEqual({ kind: "committed" });
    await scene.twin.compareTables();
  });

  test("a batch that is written again is known to be written", async () => {
    const { twin, rows } = scene;
    const { epoch, cursor_seq: fromSeq } = twin.store.tables.partitions.get(0)!;
    const toNs = 1_767_225_600_123_456_789n;
    const cursors = [{ partition: 0, epoch, fromSeq, toSeq: fromSeq + 1, toNs }];
    const batch = rowSetOf([{ table: "wakes", op: "insert", row: rows.newWake() }]);
    for (const kind of ["committed", "overtaken"])
      expect(await commitBatch(twin.sql, batch, cursors)).toEqual({ kind });
    await twin.compareTables();
  });

  test("a holder lives by its run, by its wake, or by what is not applied yet", async () => {
    const { twin, rows } = scene;
    const issueId = rows.cast.issueIds[2]!;
    const { generation, cursor_seq: sequence } = twin.store.tables.partitions.get(0)!;
    const of = { companyId: rows.cast.companyId, agentId: rows.cast.agentIds[0]! };
    const applied = { ...of, partition: 0, generation, sequence, requestedAtMs: 1 };
    const entry = (runId: string, requestId: string) => ({ ...applied, runId, requestId });
    const asks = (holder: ReturnType<typeof entry>) =>
      lookAtHolder(twin, issueId, holder, entry(rows.uuid(), rows.uuid()));
    const row = { company_id: of.companyId, agent_id: of.agentId, partition: 0, wake_id: "wake" };
    const place = { ...row, generation, stream_seq: 1 };
    const lives = async (fields: object): Promise<boolean> => {
      const id = rows.uuid();
      await twin.insert("heartbeat_runs", { ...place, id, issue_id: issueId, ...fields });
      return (await asks(entry(id, rows.uuid()))) === "waiting";
    };
    expect(await lives({ phase: "queued" })).toBe(false);
    expect(await lives({ phase: "waiting" })).toBe(true);
    expect(await lives({ phase: "waiting", issue_id: null })).toBe(false);
    expect(await lives({ phase: "running", holds_issue: true })).toBe(true);
    const id = rows.uuid();
    const wake = { ...place, id, issue_id: issueId, source: "timer", waits: true };
    await twin.insert("agent_wakeup_requests", wake);
    expect(await asks(entry(rows.uuid(), id))).toBe("waiting");
    const unknown = entry(rows.uuid(), rows.uuid());
    expect(await asks(unknown)).toBe("held");
    expect(await asks({ ...unknown, sequence: sequence + 1 })).toBe("waiting");
    expect(await asks({ ...unknown, generation: generation + 1, sequence: 0 })).toBe("waiting");
  });

  test("secrets: known, revoked, of an issue, of nobody, of another claim", async () => {
    const { question, good, revoked, ask } = await createSecretScene(scene);
    const refs = (secretId: string, version: number | "latest") => ({
      ...question,
      refs: [{ secretId, version }],
    });
    expect(await ask(question)).toBe(JSON.stringify(["value 2"]));
    expect(await ask(refs(good, 1))).toBe(JSON.stringify(["value 1"]));
    expect(await ask(refs(good, 3))).toMatchObject({ ok: false, at: 0 });
    expect(await ask(refs(revoked, 1))).toMatchObject({ ok: false, at: 0 });
    expect(await ask(refs(scene.rows.uuid(), 1))).toMatchObject({ ok: false, retry: false });
    for (const key of ["runId", "claimId", "incarnation", "agentId", "companyId"] as const)
      expect(await ask({ ...question, [key]: scene.rows.uuid() })).toMatchObject({ ok: false });
    expect(await ask({ ...question, attempt: 1 })).toMatchObject({ ok: false });
  });

  test("what is old is removed", async () => {
    const { twin, rows } = scene;
    const agent_id = rows.cast.agentIds[0]!;
    const company_id = rows.cast.companyId;
    for (const days of [0.9, 1.1, 6.9, 7.1, 29.9, 30.1]) {
      const created_at = Date.now() - days * dayMs;
      const wake_id = `${days} days`;
      await twin.insert("wake_verdicts", {
        agent_id,
        company_id,
        wake_id,
        verdict: {},
        created_at,
      });
      // An id beyond those that the sequence gives.
      const letter = {
        id: 1_000_000 + Math.ceil(days),
        partition: 0,
        generation: 1,
        stream_seq: Math.ceil(days),
        kind: "wake",
      };
      await twin.insert("dead_letters", { ...letter, stage: "decode", reason: "old", created_at });
      await twin.insert("hosts", {
        id: rows.uuid(),
        version: "1",
        lease_until: created_at - 1_000,
      });
    }
    await removeOld(twin.sql);
    await twin.compareTables();
    expect(twin.store.tables.hosts.size).toBe(1);
  });

  test("a run of a deleted agent stays until the last of its events is gone", async () => {
    const { twin, rows } = scene;
    const [agent_id, run_id] = [rows.uuid(), rows.uuid()];
    const company_id = rows.cast.companyId;
    const times = { deleted_at: rows.pastMs(), delete_requested_at: rows.pastMs() };
    await twin.insert("agents", { id: agent_id, company_id, name: "Gone", partition: 0, ...times });
    const place = { company_id, agent_id, partition: 0, generation: 1, stream_seq: 1 };
    await twin.insert("heartbeat_runs", { ...place, id: run_id, wake_id: "wake" });
    for (const seq of [1, 2]) {
      const event = { company_id, agent_id, run_id, seq, event_type: "lifecycle" };
      // An id beyond those that the sequence gives.
      await twin.insert("heartbeat_run_events", { ...event, id: 1_000_000 + seq });
    }
    // One row at a time, where the shell removes thousands.
    const oneByOne: Sql = {
      query: (statement) => {
        const [agentId, limit] = statement.values ?? [];
        return twin.sql.query(
          limit === undefined ? statement : { ...statement, values: [agentId, 1] },
        );
      },
    };
    await removeDeletedAgents(oneByOne);
    await twin.compareTables();
    expect(twin.store.tables.agents.get(agent_id)).toBeUndefined();
  });

  test("a deleted agent goes step by step, when nothing is owed and its month is over", async () => {
    const { twin, rows } = scene;
    const [gone, owing] = rows.cast.agentIds as [string, string];
    const company_id = rows.cast.companyId;
    for (let count = 0; count < 30; count += 1) await commitRows(scene, rows.batch(), "ours");
    for (const agent_id of [gone, owing])
      await twin.insert("agent_api_keys", { agent_id, company_id, name: "key", key_hash: "hash" });
    const deletedAt = new Date(rows.pastMs()).toISOString();
    const row = { deleteRequestedAt: deletedAt, deletedAt, spendMonth: "2020-01" };
    const deletion = [gone, owing].map((id) => ({
      table: "agents" as const,
      op: "update" as const,
      row: { id, ...row },
    }));
    const owed = { ...rows.newRun(), agentId: owing, holdsIssue: false, owesRelease: true };
    const batch = rowSetOf([...deletion, { table: "runs", op: "insert", row: owed }]);
    expect(await commitRows(scene, batch, "ours")).toEqual({ kind: "committed" });
    expect((await loadAgents(twin.sql, [gone, owing])).size).toBe(0);
    // The first owes marks of random rows as well: they are settled first.
    await twin.pool.query("update heartbeat_runs set owes_release = false where agent_id = $1", [
      gone,
    ]);
    await twin.pool.query(
      "update agent_wakeup_requests set owes_release = false where agent_id = $1",
      [gone],
    );
    twin.store.write(({ heartbeat_runs, agent_wakeup_requests }) => {
      for (const table of [heartbeat_runs, agent_wakeup_requests] as const)
        for (const mine of table.by("of_agent", gone))
          (table.update as (row: object, changes: object) => void)(mine, { owes_release: false });
    });
    await removeDeletedAgents(twin.sql);
    await twin.compareTables();
    expect(twin.store.tables.agents.get(gone)).toBeUndefined();
    expect(twin.store.tables.agents.get(owing)).toBeDefined();
  });
});

test("tables are those of the database: columns, what must be there, what is unique, what refers to what", async () => {
  const twin = await createTwin(partitions);
  const list = async (text: string, table: string): Promise<string[]> =>
    (await twin.pool.query<{ said: string }>(text, [table])).rows.map(({ said }) => said);
  for (const table of Object.values(twin.store.tables)) {
    const { name, columns, rules } = table;
    const shown = columns.map((column) => `${column.name} ${column.type} ${column.notNull}`);
    expect(shown.toSorted(), name).toEqual((await list(columnsText, name)).toSorted());
    expect(rules.unique.toSorted(), name).toEqual((await list(uniqueText, name)).toSorted());
    expect(rules.references.toSorted(), name).toEqual(
      (await list(referencesText, name)).toSorted(),
    );
  }
  await twin.stop();
});
const columnsText = `select attname || ' ' || replace(format_type(atttypid, atttypmod), 'timestamp with time zone', 'timestamptz')
    || ' ' || attnotnull as said from pg_attribute where attrelid = $1::regclass and attnum > 0 and not attisdropped`;
const uniqueText = `select i.relname || ' (' || (select string_agg(a.attname, ', ' order by k.place)
      from unnest(x.indkey::int[]) with ordinality k(attnum, place)
      join pg_attribute a on a.attrelid = x.indrelid and a.attnum = k.attnum) || ')' as said
    from pg_index x join pg_class i on i.oid = x.indexrelid where x.indrelid = $1::regclass and x.indisunique`;
const referencesText = `select c.conname || ' (' || a.attname || ') ' || t.relname as said from pg_constraint c
    join pg_attribute a on a.attrelid = c.conrelid and a.attnum = c.conkey[1]
    join pg_class t on t.oid = c.confrelid where c.conrelid = $1::regclass and c.contype = 'f'`;

test("every statement of the shell was asked, and had something to answer", () => {
  const { names, patterns, files } = statementNames();
  expect([...files].filter(([, count]) => count === 0)).toEqual([]);
  expect(names.filter((name) => !handlers.has(name))).toEqual([]);
  expect([...handlers.keys()].filter((name) => asked.get(name) !== true)).toEqual([]);
  const known = (name: string): boolean =>
    names.includes(name) || patterns.some((pattern) => pattern.test(name));
  expect([...handlers.keys()].filter((name) => !known(name))).toEqual([]);
  for (const pattern of patterns)
    expect([...asked.keys()].filter((name) => pattern.test(name)).length).toBeGreaterThan(1);
});
