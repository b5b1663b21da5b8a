// F19: garbage, oversized and poisonous messages, from whoever may wake and from inside. Each is refused, or becomes a dead letter; the
// mailbox goes on within a second, and no process ends.
import { randomBytes } from "node:crypto";
import { headers } from "@nats-io/transport-node";
import { createSubjects, type MailboxKind } from "@reveille/shared/protocol/subjects";
import { expect, test } from "vitest";
import { clusterOfFile, type Agent } from "../harness/cluster.js";
import { inForm } from "../harness/fault-form.js";
import { until } from "../harness/until.js";
import type { Wake } from "../harness/wake-client.js";

/** The matrix's bound for a mailbox behind a bad message. */
const goesOnMs = 1_000;
/** For a busy machine: the bound is met by the median of the rounds, no round may take longer than this. */
const busyMs = 5_000;
const rounds = inForm(1, 10);
const subjects = createSubjects("rv");
const cluster = clusterOfFile();

const bytes = (hex: string): Buffer => Buffer.from(hex, "hex");
const json = (value: unknown): Buffer => Buffer.from(JSON.stringify(value));
const garbage: Record<string, () => Buffer> = {
  "random bytes": () => randomBytes(1_000),
  "random bytes that begin like a map": () => Buffer.concat([bytes("de"), randomBytes(1_000)]),
  "an array of 4 billion": () => bytes("81a161ddffffffff"),
  "a map of 4 billion": () => bytes("dfffffffff"),
  "2 GiB of bytes, announced": () => bytes("81a161c67fffffff"),
  "nested 100,000 deep, JSON": () =>
    Buffer.from(`{"a":${"[".repeat(100_000)}${"]".repeat(100_000)}}`),
  "nested 100,000 deep, msgpack": () =>
    Buffer.concat([bytes("81a161"), Buffer.alloc(100_000, 0x91), bytes("c0")]),
  "an extension type": () => bytes("81a161d4720a"),
  "not UTF-8": () => bytes("7b2261223a22ff227d"),
  "900 KB": () => json({ id: "large", payload: { text: "x".repeat(900_000) } }),
  "another version": () => json({ v: 99, id: { not: "an id" }, payload: "text" }),
  "half a message": () => json({ id: "half", payload: { a: 1 } }).subarray(0, 12),
  prototypes: () => Buffer.from('{"id":7,"__proto__":{"isAdmin":true}}'),
};

/** A good wake behind bad ones: how long until its verdict is there. */
async function goesOn(agent: Agent, name: string): Promise<{ wake: Wake; tookMs: number }> {
  const id = name.replaceAll(/\W+/g, "-");
  const wake: Wake = { ...agent, id, payload: { taskKey: id } };
  const from = performance.now();
  await cluster().client.wake(wake);
  await until(`${id} has its verdict`, () => cluster().client.verdicts.has(id));
  return { wake, tookMs: performance.now() - from };
}
const pids = (): (number | undefined)[] =>
  (["gateway", "agent-actor", "runner"] as const).flatMap((name) =>
    [0, 1].map((index) => cluster().process(name, index).pid),
  );
interface Letter {
  id: string;
  kind: string;
  stage: string;
}
const letters = (agents: readonly Agent[]): Promise<Letter[]> =>
  cluster().rows<Letter>("select id, kind, stage from dead_letters where agent_id = any($1)", [
    agents.map(({ agentId }) => agentId),
  ]);
/** As an operator drops them. */
async function dropLetters(found: readonly Letter[]): Promise<void> {
  for (const { id } of found) {
    const { status } = await cluster().system.call("DELETE", `/dead-letters/${id}`);
    expect(status).toBe(200);
  }
}
const median = (values: readonly number[]): number =>
  values.toSorted((a, b) => a - b)[values.length >> 1]!;

async function settle(wakes: readonly Wake[], agents: readonly Agent[]): Promise<void> {
  await cluster().atRest(wakes, 30_000);
  await cluster().expectAllWell(wakes, agents);
}

test("[F19] garbage where anyone may wake: refused by a verdict, the next wake is decided within a second", async () => {
  const { connection } = cluster().client;
  const agents = await cluster().agents(Object.keys(garbage).length, 50);
  const before = pids();
  const wakes: Wake[] = [];
  const took: number[] = [];
  const refused = new Set<string>();
  const inbox = `_INBOX.garbage-${process.pid}`;
  connection.subscribe(`${inbox}.*`, {
    callback: (error, message) => {
      if (!error && message.json<{ outcome: string }>().outcome === "rejected")
        refused.add(message.subject);
    },
  });
  for (let round = 0; round < rounds; round += 1) {
    for (const [n, [name, make]] of Object.entries(garbage).entries()) {
      const agent = agents[n]!;
      const h = headers();
      h.set("Reveille-Reply-To", `${inbox}.${round}-${n}`);
      const subject = subjects.mailbox(agent.companyId, agent.agentId, "wake");
      connection.publish(subject, make(), { headers: h });
      const { wake, tookMs } = await goesOn(agent, `after ${name} ${round}`);
      wakes.push(wake);
      took.push(tookMs);
    }
  }
  process.stderr.write(
    `behind garbage: ${Math.round(median(took))} ms, ${Math.round(Math.max(...took))} at most\n`,
  );
  expect(median(took)).toBeLessThan(goesOnMs);
  expect(Math.max(...took)).toBeLessThan(busyMs);
  await until("each was refused", () => refused.size === rounds * Object.keys(garbage).length, {
    describe: () => [...refused],
  });
  expect(await letters(agents)).toEqual([]);
  expect(pids()).toEqual(before);
  await settle(wakes, agents);
});

test("[F19] garbage where services write: a dead letter each, the mailbox goes on", async () => {
  const kinds: MailboxKind[] = [
    "run.started",
    "run.finished",
    "run.progress",
    "cancel",
    "grant",
    "timer",
  ];
  const agents = await cluster().agents(kinds.length, 50);
  const before = pids();
  const wakes: Wake[] = [];
  for (const [n, kind] of kinds.entries()) {
    const { companyId, agentId } = agents[n]!;
    for (const name of ["random bytes", "nested 100,000 deep, msgpack", "another version"])
      cluster().bus.publish(subjects.mailbox(companyId, agentId, kind), garbage[name]!());
    await cluster().bus.flush();
    const { wake, tookMs } = await goesOn(agents[n]!, `after ${kind}`);
    wakes.push(wake);
    expect(tookMs).toBeLessThan(busyMs);
  }
  const found = await letters(agents);
  expect(found.map(({ kind, stage }) => `${kind} ${stage}`).toSorted()).toEqual(
    kinds.flatMap((kind) => Array.from({ length: 3 }, () => `${kind} decode`)).toSorted(),
  );
  expect(pids()).toEqual(before);
  await dropLetters(found);
  await settle(wakes, agents);
});

test("[F19] more than the server takes: refused before it is sent, and by the server", async () => {
  const { connection } = cluster().client;
  const [agent] = await cluster().agents(1, 50);
  const subject = subjects.mailbox(agent!.companyId, agent!.agentId, "wake");
  const most = connection.info!.max_payload;
  expect(() => connection.publish(subject, Buffer.alloc(most + 1))).toThrow();
  const { status } = await cluster().system.call("POST", `/agents/${agent!.agentId}/wakeup`, {
    payload: { text: "x".repeat(most) },
  });
  expect(status).toBe(413);
  const { wake } = await goesOn(agent!, "after too much");
  await settle([wake], [agent!]);
});

test("[F19] a message whose commit Postgres always refuses becomes a dead letter; who was in its batch is decided", async () => {
  const agents = await cluster().agents(6, 50);
  await cluster().rows(`create function refuse_poison() returns trigger language plpgsql as $$
    begin if new.payload ->> 'poison' = 'yes' then raise exception 'poison' using errcode = '23514'; end if; return new; end $$`);
  await cluster().rows(
    "create trigger poison before insert on agent_wakeup_requests for each row execute function refuse_poison()",
  );
  // Everything of one moment, so that poison and food meet in batches.
  const make = (id: string, agent: Agent, payload: Record<string, unknown>): Wake => ({
    ...agent,
    id,
    payload: { taskKey: id, ...payload },
  });
  const good = agents.flatMap((agent, n) =>
    Array.from({ length: 4 }, (_, at) => make(`good-${n}-${at}`, agent, {})),
  );
  const poison = agents.map((agent, n) => make(`poison-${n}`, agent, { poison: "yes" }));
  for (const index of [0, 1]) cluster().system.stack.kill("agent-actor", index, "SIGSTOP");
  await cluster().client.wakeAll([...good.slice(0, 12), ...poison, ...good.slice(12)]);
  for (const index of [0, 1]) cluster().system.stack.kill("agent-actor", index, "SIGCONT");
  await cluster().atRest(good, 30_000);
  const found = await letters(agents);
  expect(found.map(({ kind, stage }) => `${kind} ${stage}`)).toEqual(
    poison.map(() => "wake commit"),
  );
  const after = await Promise.all(agents.map((agent, n) => goesOn(agent, `fed-${n}`)));
  expect(median(after.map(({ tookMs }) => tookMs))).toBeLessThan(goesOnMs);
  await dropLetters(found);
  await cluster().rows("drop trigger poison on agent_wakeup_requests");
  await settle([...good, ...after.map(({ wake }) => wake)], agents);
});
