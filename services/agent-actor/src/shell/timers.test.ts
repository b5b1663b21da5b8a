// Timers of a host with a publisher and a database that are not there: when messages go out, how often, and whom a failure concerns.
import type { StoredPublisher } from "@reveille/shared/nats/stored-publisher";
import type { Sql } from "@reveille/shared/postgres/pool";
import { decodePayload } from "@reveille/shared/protocol/codec";
import { createSubjects } from "@reveille/shared/protocol/subjects";
import { systemClock } from "@reveille/shared/runtime/clock";
import { createLogger } from "@reveille/shared/runtime/log";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { companyId, idOf } from "../core/testing/fixtures.js";
import { createTimers } from "./timers.js";
import type { Timers } from "./timers.js";

const startMs = Date.parse("2026-01-01T00:00:00Z");
const [ada, bob] = [idOf("ada"), idOf("bob")];
let sent: { agentId: string; body: Record<string, unknown> }[] = [];
/** Agents whose mailbox cannot be reached. */
let broken: string[] = [];
let trusted = true;
let rows: { id: string; company_id: string; timer: string; due_at: Date }[] = [];
let timers: Timers;

beforeEach(() => {
  vi.useFakeTimers({ now: startMs });
  [sent, broken, rows, trusted] = [[], [], [], true];
  const publish = async (subject: string, data: Uint8Array): Promise<void> => {
    const agentId = subject.split(".")[3]!;
    if (broken.includes(agentId)) throw new Error("no");
    const payload = decodePayload(data);
    if (payload.ok) sent.push({ agentId, body: payload.value });
  };
  timers = createTimers({
    pool: { query: async () => ({ rows }) } as unknown as Sql,
    clock: systemClock,
    publisher: { publish } as unknown as StoredPublisher,
    subjects: createSubjects(),
    logger: createLogger("test", "silent"),
    trusted: () => trusted,
  });
});
afterEach(() => {
  timers.stop();
  vi.useRealTimers();
});
const set = (agentId: string, dueAtMs: number | null, timer: "heartbeat" | "retry" = "heartbeat") =>
  timers.set({ companyId, agentId, timer, dueAtMs });

test("there is no tick that walks over agents: each timer is one message when it is due [M1] [M5]", async () => {
  set(ada, startMs + 1_000);
  set(ada, startMs + 2_000, "retry");
  set(bob, startMs + 20_000);
  await vi.advanceTimersByTimeAsync(900);
  expect(sent).toEqual([]);
  await vi.advanceTimersByTimeAsync(1_200);
  expect(sent.map(({ agentId, body }) => [agentId, body["id"], body["timer"]])).toEqual([
    [ada, `timer:${ada}:${startMs + 1_000}`, "heartbeat"],
    [ada, `retry:${ada}:${startMs + 2_000}`, "retry"],
  ]);
});

test("one mailbox that cannot be reached disturbs no other, and is tried again [M6] [B20]", async () => {
  broken = [ada];
  set(ada, startMs);
  set(bob, startMs);
  await vi.advanceTimersByTimeAsync(100);
  expect(sent.map(({ agentId }) => agentId)).toEqual([bob]);
  broken = [];
  await vi.advanceTimersByTimeAsync(100);
  expect(sent.map(({ agentId }) => agentId)).toEqual([bob, ada]);
});

test("what was decided is not sent again; what nobody decides is, with the same id", async () => {
  set(ada, startMs);
  set(bob, startMs);
  await vi.advanceTimersByTimeAsync(100);
  set(bob, startMs + 3_600_000);
  await vi.advanceTimersByTimeAsync(31_000);
  expect(sent.map(({ body }) => body["id"])).toEqual([
    `timer:${ada}:${startMs}`,
    `timer:${bob}:${startMs}`,
    `timer:${ada}:${startMs}`,
  ]);
});

test("a host that does not trust its lease sends nothing; whoever reads the rows next does", async () => {
  trusted = false;
  set(ada, startMs);
  await vi.advanceTimersByTimeAsync(200);
  expect(sent).toEqual([]);
  trusted = true;
  rows = [{ id: bob, company_id: companyId, timer: "retry", due_at: new Date(startMs - 5_000) }];
  await timers.refresh([0]);
  await vi.advanceTimersByTimeAsync(100);
  expect(sent.map(({ agentId, body }) => [agentId, body["timer"]])).toEqual([[bob, "retry"]]);
});

test("what a refresh finds again is not sent again, and what it does not find is forgotten", async () => {
  set(ada, startMs);
  set(bob, startMs + 1_000);
  await vi.advanceTimersByTimeAsync(100);
  rows = [{ id: ada, company_id: companyId, timer: "heartbeat", due_at: new Date(startMs) }];
  await timers.refresh([0]);
  await vi.advanceTimersByTimeAsync(2_000);
  expect(sent.map(({ agentId }) => agentId)).toEqual([ada]);
});

test("a partition that is taken over brings its timers at once, beside those that are there [B20]", async () => {
  set(ada, startMs + 50);
  rows = [{ id: bob, company_id: companyId, timer: "retry", due_at: new Date(startMs - 60_000) }];
  await timers.adopt(1);
  await vi.advanceTimersByTimeAsync(200);
  expect(sent.map(({ agentId }) => agentId).toSorted()).toEqual([ada, bob].toSorted());
});
