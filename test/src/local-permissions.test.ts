// What a client without credentials may do on the embedded nats-server, tried with clients that share no code with us: the current
// and the old NATS client for JavaScript. Permitted and denied are both exercised, against a real server.
import { randomUUID } from "node:crypto";
import { connect as connectV3, type NatsConnection, type Msg } from "@nats-io/transport-node";
import { jetstream, jetstreamManager } from "@nats-io/jetstream";
import { connect as connectV2 } from "nats";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startTestNats, type TestNats } from "./harness/nats.js";

const company = randomUUID();
const agent = randomUUID();
const run = randomUUID();
const logs = `rv.${company}.run.${run}.log.>`;
const lines = ["one\n", "two\n", "three\n"];

let nats: TestNats;
let service: NatsConnection;
let local: NatsConnection;

beforeAll(async () => {
  nats = await startTestNats();
  service = await connectAsService();
  local = await connectV3({ servers: nats.url });
  const manager = await jetstreamManager(service);
  await manager.streams.add({ name: "LOGS", subjects: ["rv.*.run.*.log.*"] });
  await manager.streams.add({ name: "MAILBOX", subjects: ["rv.*.agent.*.>"] });
  const publisher = jetstream(service);
  for (const line of lines) await publisher.publish(`rv.${company}.run.${run}.log.stdout`, line);
});

afterAll(async () => {
  await local.close();
  await service.close();
  await nats.stop();
});

/** The JavaScript clients take credentials as options, not in the URL. */
function connectAsService(): Promise<NatsConnection> {
  const { username, password, host } = new URL(nats.serviceUrl);
  return connectV3({ servers: host, user: username, pass: password, inboxPrefix: "_INBOX_svc" });
}

async function firstOf<M extends { string(): string }>(
  messages: AsyncIterable<M>,
): Promise<string[]> {
  const seen: string[] = [];
  for await (const message of messages) {
    seen.push(message.string());
    if (seen.length === lines.length) break;
  }
  return seen;
}

describe("a client without credentials", () => {
  test("wakes an agent and gets JetStream's acknowledgement", async () => {
    const ack = await local.request(`rv.${company}.agent.${agent}.wake`, "{}", { timeout: 2_000 });
    expect(ack.json()).toMatchObject({ stream: "MAILBOX" });
  });

  test("follows logs and events live", async () => {
    const live = local.subscribe(logs, { max: 1 });
    const events = local.subscribe(`rv.${company}.event.>`, { max: 1 });
    await local.flush();
    service.publish(`rv.${company}.run.${run}.log.stderr`, "live");
    service.publish(`rv.${company}.event.run.started`, "event");
    expect(await firstMessage(live)).toBe("live");
    expect(await firstMessage(events)).toBe("event");
  });

  test("replays a log with the current client, ordered and with a named pull consumer", async () => {
    const ordered = await jetstream(local).consumers.get("LOGS", { filter_subjects: logs });
    expect(await firstOf(await ordered.consume())).toEqual(lines);

    const manager = await jetstreamManager(local);
    const name = `replay_${run}`;
    const nanoseconds = 5_000_000_000;
    await manager.consumers.add("LOGS", {
      name,
      filter_subject: logs,
      inactive_threshold: nanoseconds,
    });
    const pulled = await jetstream(local).consumers.get("LOGS", name);
    expect(await firstOf(await pulled.fetch({ max_messages: 3, expires: 2_000 }))).toEqual(lines);
    expect(await manager.consumers.delete("LOGS", name)).toBe(true);
  });

  test("replays a log with the old client", async () => {
    const old = await connectV2({ servers: nats.url });
    const ordered = await old.jetstream().consumers.get("LOGS", { filterSubjects: logs });
    expect(await firstOf(await ordered.consume())).toEqual(lines);
    await old.close();
  });

  test.each([
    `rv.${company}.agent.${agent}.request`,
    `rv.${company}.agent.${agent}.cancel`,
    `rv.${company}.agent.${agent}.run.finished`,
    `rv.${company}.run.${run}.log.stdout`,
    `rv.${company}.run.${run}.control`,
    `rv.exec.default.${company}.${run}.1`,
    `rv.runner.${run}.answer`,
    "rv.secrets.resolve",
    "_INBOX.of.another",
    "$KV.issue-locks.a.b",
    "$JS.API.STREAM.PURGE.LOGS",
    "$JS.API.STREAM.DELETE.MAILBOX",
    "$JS.API.STREAM.INFO.MAILBOX",
    "$JS.API.STREAM.MSG.GET.MAILBOX",
    "$JS.API.DIRECT.GET.MAILBOX",
    "$JS.API.CONSUMER.CREATE.LOGS",
    "$JS.API.CONSUMER.CREATE.MAILBOX.spy.>",
    "$JS.API.CONSUMER.MSG.NEXT.EXEC.exec_default",
    "$SYS.REQ.SERVER.PING",
  ])("may not publish %s", async (subject) => {
    await expect(local.request(subject, "{}", { timeout: 2_000 })).rejects.toThrow(
      `Permissions Violation for Publish to "${subject}"`,
    );
  });

  test.each([
    ">",
    "rv.>",
    `rv.${company}.agent.${agent}.*`,
    `rv.${company}.run.${run}.control`,
    "rv.runner.*.answer",
    "rv.secrets.resolve",
    "_INBOX_svc.>",
    "$JS.EVENT.>",
    "$KV.>",
  ])("may not subscribe %s", async (subject) => {
    const subscription = local.subscribe(subject, { callback: () => undefined });
    const ended = await subscription.closed.then(
      (reason) => reason,
      (error: unknown) => error,
    );
    expect(String(ended)).toContain("Permissions Violation for Subscription");
  });
});

describe("the server", () => {
  test("has the same data, ports and password after kill -9, a wipe leaves nothing, a saved store comes back", async () => {
    const saved = await nats.save();
    const messages = async (): Promise<number | undefined> => {
      const connection = await connectAsService();
      try {
        const manager = await jetstreamManager(connection);
        return await manager.streams.info("LOGS").then(
          ({ state }) => state.messages,
          () => undefined,
        );
      } finally {
        await connection.close();
      }
    };
    const before = await messages();
    expect(before).toBeGreaterThanOrEqual(lines.length);
    await nats.kill();
    await nats.start();
    expect(await messages()).toBe(before);
    await nats.wipe();
    expect(await messages()).toBeUndefined();
    await nats.rollBack(saved);
    expect(await messages()).toBe(before);
  });
});

async function firstMessage(subscription: AsyncIterable<Msg>): Promise<string | undefined> {
  for await (const message of subscription) return message.string();
  return undefined;
}
