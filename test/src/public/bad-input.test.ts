// What anybody may send and should not: garbage, wrong types, ids that would widen a subject, payloads over the limits, subjects of
// others. Each is answered with what is wrong, or refused by the server, and leaves nothing behind.
import { randomUUID } from "node:crypto";
import { connect, headers, type NatsConnection } from "@nats-io/transport-node";
import { jetstream } from "@nats-io/jetstream";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createAgent, startWholeSystem, type WholeSystem } from "../harness/whole-system.js";

interface Verdict {
  outcome: string;
  reason?: string;
  details?: { issues?: { path: string[]; message: string }[] };
}

let system: WholeSystem;
let nc: NatsConnection;
let companyId: string;
let agentId: string;

beforeAll(async () => {
  system = await startWholeSystem();
  ({ companyId, agentId } = await createAgent(system, "process.exit(0)"));
  nc = await connect({ servers: system.nats });
});
afterAll(async () => {
  await nc?.close();
  await system?.stop();
});

async function verdictOf(payload: string | Uint8Array, agent = agentId): Promise<Verdict> {
  const inbox = `_INBOX.${companyId}.${randomUUID()}`;
  const answers = nc.subscribe(inbox, { max: 1, timeout: 10_000 });
  const h = headers();
  h.set("Reveille-Reply-To", inbox);
  await jetstream(nc).publish(`rv.${companyId}.agent.${agent}.wake`, payload, { headers: h });
  for await (const message of answers) return message.json<Verdict>();
  throw new Error("no verdict");
}

/** Rows that a wake can leave behind. */
async function rowsLeft(): Promise<unknown> {
  const { rows } = await system.database.query(
    `select (select count(*)::int from agent_wakeup_requests) as requests, (select count(*)::int from heartbeat_runs) as runs,
            (select count(*)::int from dead_letters) as letters`,
  );
  return rows[0];
}
const nothing = { requests: 0, runs: 0, letters: 0 };

describe("a wake that is not right is rejected, naming what is wrong", () => {
  test.each([
    [
      "garbage bytes",
      Uint8Array.from([0xc1, 0xff, 0x00, 0x13]),
      [],
      "neither a JSON object nor a msgpack map",
    ],
    ["half a JSON text", '{"reason":', [], "not valid JSON"],
    ["half a msgpack map", Uint8Array.from([0x82, 0xa1, 0x61]), [], "not valid msgpack"],
    ["a list", "[1,2]", [], "neither a JSON object"],
    ["a reason that is a number", '{"reason":7}', ["reason"], "string"],
    ["a payload that is a text", '{"payload":"x"}', ["payload"], ""],
    ["an id with a dot, a star and >", '{"id":"a b*>"}', ["id"], "must be"],
    ["an issue id that is none", '{"payload":{"issueId":"rv.>"}}', ["payload", "issueId"], "UUID"],
    ["an empty idempotency key", '{"idempotencyKey":""}', ["idempotencyKey"], ""],
    ["a reason that is too long", JSON.stringify({ reason: "x".repeat(201) }), ["reason"], "200"],
    [
      "a payload over 512 KiB",
      JSON.stringify({ payload: { x: "x".repeat(600_000) } }),
      [],
      "at most 524288",
    ],
  ])("%s", async (_name, payload, path, message) => {
    const verdict = await verdictOf(payload);
    expect(verdict).toMatchObject({ outcome: "rejected", reason: "invalid" });
    const issues = verdict.details?.issues ?? [];
    expect(issues[0]?.path).toEqual(path);
    expect(issues[0]?.message).toContain(message);
    expect(await rowsLeft()).toEqual(nothing);
  });

  test("an agent that does not exist", async () => {
    expect(await verdictOf("{}", randomUUID())).toMatchObject({
      outcome: "rejected",
      reason: "agent_not_found",
    });
    expect(await rowsLeft()).toEqual(nothing);
  });

  test("an agent of another company", async () => {
    const other = await createAgent(system, "process.exit(0)");
    expect(await verdictOf("{}", other.agentId)).toMatchObject({
      outcome: "rejected",
      reason: "agent_not_found",
    });
    expect(await rowsLeft()).toEqual(nothing);
  });
});

test("an unknown issue is skipped with its reason", async () => {
  const verdict = await verdictOf(JSON.stringify({ payload: { issueId: randomUUID() } }));
  expect(verdict).toMatchObject({ outcome: "skipped", reason: "issue_execution_issue_not_found" });
});

test("2 MB are refused by the client before they are sent", () => {
  expect(() =>
    nc.publish(`rv.${companyId}.agent.${agentId}.wake`, new Uint8Array(2 * 1024 * 1024)),
  ).toThrow(/payload/i);
});

describe("subjects that are not public", () => {
  test.each([
    ["a request, which a gateway alone may send", () => `rv.${companyId}.agent.${agentId}.request`],
    ["a cancel", () => `rv.${companyId}.agent.${agentId}.cancel`],
    ["a report of a run", () => `rv.${companyId}.agent.${agentId}.run.finished`],
    ["an agent id with a dot", () => `rv.${companyId}.agent.a.b.wake`],
    ["a log line of a run", () => `rv.${companyId}.run.${randomUUID()}.log.stdout`],
    ["somebody else's inbox", () => `_INBOX.${companyId}.somebody`],
  ])("may not be published: %s", async (_name, subject) => {
    await expect(nc.request(subject(), "{}", { timeout: 2_000 })).rejects.toThrow(
      /Permissions Violation/,
    );
  });

  test.each([
    ["mailboxes", () => `rv.${companyId}.agent.*.>`],
    ["stored mailboxes", () => "*.*.*.*.wake"],
    ["executions", () => "rv.exec.>"],
    ["inboxes of services", () => "_INBOX_*.>"],
    ["everything", () => ">"],
  ])("may not be read: %s", async (_name, subject) => {
    const subscription = nc.subscribe(subject(), { callback: () => undefined });
    const ended = await subscription.closed.then(String, String);
    expect(ended).toContain("Permissions Violation");
  });
});

test("a verdict is only sent below an inbox: elsewhere nothing is published", async () => {
  const watched = nc.subscribe(`rv.${companyId}.event.stolen`, { max: 1 });
  const h = headers();
  h.set("Reveille-Reply-To", `rv.${companyId}.event.stolen`);
  await jetstream(nc).publish(`rv.${companyId}.agent.${agentId}.wake`, '{"id":"misdirected"}', {
    headers: h,
  });
  // Decided when the next wake of the same agent is: wakes of one agent are decided in order.
  await verdictOf('{"id":"after"}');
  expect(watched.getReceived()).toBe(0);
  watched.unsubscribe();
});
