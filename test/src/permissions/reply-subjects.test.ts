// A request may name any subject for its answer, and a consumer any subject for its deliveries: the server does not ask whether the
// asker may publish there. What a company can make arrive at other companies' subjects by that, nobody takes for a message.
import { randomUUID } from "node:crypto";
import { readMessage } from "@reveille/agent-actor/shell/decode";
import { connectBus, type NatsBus } from "@reveille/shared/nats/bus";
import { openPartitionReader } from "@reveille/shared/nats/partition-reader";
import { jetstream } from "@nats-io/jetstream";
import type { NatsConnection } from "@nats-io/transport-node";
import { afterAll, beforeAll, expect, test } from "vitest";
import { until } from "../harness/until.js";
import { proofFile, startGenerated, type GeneratedServer } from "./generated-server.js";

const [ours, theirs, agent, run] = [randomUUID(), randomUUID(), randomUUID(), randomUUID()];
const mine = `$JS.API.CONSUMER.CREATE.LOGS.mine.rv.${ours}.run.${run}.log.>`;
const consumer = (more: object = {}) =>
  JSON.stringify({
    stream_name: "LOGS",
    config: {
      name: "mine",
      filter_subject: `rv.${ours}.run.${run}.log.>`,
      ack_policy: "none",
      deliver_policy: "all",
      ...more,
    },
  });
let server: GeneratedServer;
let company: NatsConnection;
let admin: NatsConnection;
let bus: NatsBus;

beforeAll(async () => {
  server = await startGenerated("plain", ["default"], [ours]);
  company = await server.connect({ kind: "company", companyId: ours });
  admin = await server.connect({ kind: "admin" });
  bus = await connectBus({
    url: server.url,
    name: "service",
    inboxPrefix: "_INBOX_service",
    ...proofFile("plain", server.dir, { kind: "admin" }),
  });
  await jetstream(admin).publish(`rv.${ours}.run.${run}.log.stdout`, '{"reason":"from a log"}');
  await company.request(mine, consumer(), { timeout: 2_000 });
});
afterAll(async () => {
  await bus.close();
  await company.close();
  await admin.close();
  await server.stop();
});

/** Everything that MAILBOX holds, as an owner of partitions reads it. */
async function mailbox(): Promise<{ subject: string; data: string; kind: string }[]> {
  const found: { subject: string; data: string; kind: string }[] = [];
  const stored = await bus.jsm.streams.info("MAILBOX");
  if (stored.state.messages === 0) return [];
  const reader = await openPartitionReader(bus, {
    stream: "MAILBOX",
    filter: ">",
    startSeq: 1,
    take: (message) => {
      const data = Buffer.from(message.data).toString();
      found.push({ subject: message.subject, data, kind: readMessage(message).kind });
    },
    onEnd: () => undefined,
  });
  await until("all is read", () => found.length >= stored.state.messages);
  await reader.stop();
  return found;
}

test("no answer of JetStream is a command to another company's agent, or a wake of it", async () => {
  const pull = "$JS.API.CONSUMER.MSG.NEXT.LOGS.mine";
  const nothing = JSON.stringify({ batch: 1, no_wait: true });
  // The only message: from now on there is none.
  const first = company.subscribe(`_INBOX.${ours}.first`, { max: 1 });
  company.publish(pull, nothing, { reply: first.getSubject() });
  for await (const { subject } of first) expect(subject).toContain(".log.");
  let sent = 0;
  for (const kind of ["wake", "request", "pause", "terminate", "delete", "cancel-all"]) {
    const reply = `rv.${theirs}.agent.${agent}.${kind}`;
    company.publish(`rv.${ours}.agent.${agent}.wake`, "{}", { reply });
    company.publish("$JS.API.STREAM.INFO.LOGS", "", { reply });
    company.publish("$JS.API.INFO", "", { reply });
    company.publish("$JS.API.CONSUMER.INFO.LOGS.mine", "", { reply });
    company.publish(mine, consumer({ metadata: { reason: "mine" } }), { reply });
    company.publish(pull, nothing, { reply });
    sent += 6;
  }
  await company.flush();
  const forged = async () =>
    (await mailbox()).filter(({ subject }) => subject.includes(`.${theirs}.`));
  const arrived = await until(
    "all answers arrived",
    async () => {
      const all = await forged();
      return all.length >= sent ? all : undefined;
    },
    { describe: forged },
  );
  // The server does send them there: that is what this is about.
  expect(arrived.length).toBe(sent);
  expect(arrived.filter(({ kind }) => kind === "delivery")).toEqual([]);
});

test("what is pulled or pushed to a subject of its own choice keeps its own, and no service takes it", async () => {
  const heard: string[] = [];
  const target = `rv.${theirs}.run.${run}.control`;
  const raw: string[] = [];
  admin.subscribe(target, { callback: (_, message) => void raw.push(message.subject) });
  bus.subscribe(target, ({ subject }) => void heard.push(subject));
  bus.subscribe("rv.*.run.*.control", ({ subject }) => void heard.push(subject));
  await Promise.all([bus.flush(), admin.flush()]);
  const again = { name: "again", filter_subject: `rv.${ours}.run.${run}.log.>` };
  const path = (name: string) => `$JS.API.CONSUMER.CREATE.LOGS.${name}.rv.${ours}.run.${run}.log.>`;
  await company.request(path("again"), consumer(again), { timeout: 2_000 });
  company.publish(
    "$JS.API.CONSUMER.MSG.NEXT.LOGS.again",
    JSON.stringify({ batch: 1, no_wait: true }),
    {
      reply: target,
    },
  );
  await company.request(path("push"), consumer({ name: "push", deliver_subject: target }), {
    timeout: 2_000,
  });
  await until("both arrived", () => raw.length >= 2, { describe: () => raw });
  expect(new Set(raw)).toEqual(new Set([`rv.${ours}.run.${run}.log.stdout`]));
  // What somebody publishes there is heard, by both.
  admin.publish(target, "real");
  await until("the real one is heard", () => heard.length >= 2);
  expect(heard).toEqual([target, target]);
});

test("the subject of a consumer's request bounds what it reads", async () => {
  const other = { filter_subject: `rv.${theirs}.run.>` };
  const wide = { filter_subject: undefined, filter_subjects: [`rv.${theirs}.run.>`] };
  for (const config of [other, wide, { filter_subject: "rv.>" }]) {
    const answer = await company.request(mine, consumer(config), { timeout: 2_000 });
    expect(answer.json<{ error?: object }>().error).toBeDefined();
  }
});
