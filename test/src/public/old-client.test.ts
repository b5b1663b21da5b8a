// The same with the old `nats` 2.x package, which is still what most programs have: a msgpack wake, its verdict, the log live and
// from the store. Nothing of ours on the client's side; msgpack is written and read by hand.
import { randomUUID } from "node:crypto";
import { connect, headers, type NatsConnection } from "nats";
import { afterAll, beforeAll, expect, test } from "vitest";
import {
  createAgent,
  runIsOver,
  startWholeSystem,
  type WholeSystem,
} from "../harness/whole-system.js";
import { packMap, unpack } from "./msgpack.js";

let system: WholeSystem;
let nc: NatsConnection;
let companyId: string;
let agentId: string;

beforeAll(async () => {
  system = await startWholeSystem();
  ({ companyId, agentId } = await createAgent(
    system,
    `console.log("hello from", process.env.REVEILLE_WAKE_REASON)`,
  ));
  nc = await connect({ servers: system.nats });
});
afterAll(async () => {
  await nc?.close();
  await system?.stop();
});

test("a msgpack wake gets a msgpack verdict, and its log is read live and from the store", async () => {
  const followed = nc.subscribe(`rv.${companyId}.run.*.log.stdout`);
  const first = (async () => {
    for await (const message of followed) return message;
    return undefined;
  })();
  const inbox = `_INBOX.${companyId}.${randomUUID()}`;
  const answers = nc.subscribe(inbox, { max: 1, timeout: 10_000 });
  const h = headers();
  h.set("Reveille-Reply-To", inbox);
  await nc
    .jetstream()
    .publish(`rv.${companyId}.agent.${agentId}.wake`, packMap({ reason: "msgpack", id: "old-1" }), {
      headers: h,
    });

  let verdict: { outcome?: unknown; wakeId?: unknown; run?: { id?: unknown } } = {};
  for await (const message of answers) verdict = unpack(message.data) as typeof verdict;
  expect(verdict).toMatchObject({ outcome: "queued", wakeId: "old-1" });
  const runId = String(verdict.run!.id);

  const live = await first;
  expect(live?.subject).toBe(`rv.${companyId}.run.${runId}.log.stdout`);
  expect(live?.string()).toBe("hello from msgpack\n");
  expect(await runIsOver(system, runId)).toMatchObject({ status: "succeeded" });

  const consumer = await nc
    .jetstream()
    .consumers.get("LOGS", { filterSubjects: `rv.${companyId}.run.${runId}.log.>` });
  let replayed = "";
  for await (const message of await consumer.consume()) {
    replayed += message.string();
    if (message.info.pending === 0) break;
  }
  expect(replayed).toBe("hello from msgpack\n");
});
