// NATS as the public interface, used bare: the current JavaScript client, docs/nats.md, and nothing of ours on the client's side.
import { createHash, randomUUID } from "node:crypto";
import { AckPolicy, jetstream, jetstreamManager } from "@nats-io/jetstream";
import { connect, headers, type Msg, type NatsConnection } from "@nats-io/transport-node";
import { afterAll, beforeAll, expect, test } from "vitest";
import {
  createAgent,
  runIsOver,
  startWholeSystem,
  type WholeSystem,
} from "../harness/whole-system.js";

/** Prints bytes that are no UTF-8 on both streams, pauses long enough to be followed live, and ends. */
const program = `
  process.stdout.write(Buffer.from([0xff, 0x00, 0x0a]));
  process.stderr.write("warning\\n");
  setTimeout(() => process.stdout.write("bye\\n"), 300);
`;
const stdout = Buffer.concat([Buffer.from([0xff, 0x00, 0x0a]), Buffer.from("bye\n")]);

interface Verdict {
  outcome: string;
  wakeId: string;
  reason?: string;
  run?: { id: string; status: string; agentId: string };
}

let system: WholeSystem;
let nc: NatsConnection;
let companyId: string;
let agentId: string;

beforeAll(async () => {
  system = await startWholeSystem();
  ({ companyId, agentId } = await createAgent(system, program));
  nc = await connect({ servers: system.nats });
});
afterAll(async () => {
  await nc?.close();
  await system?.stop();
});

/** Publishes a wake, waits for JetStream's acknowledgement and for the verdict. */
async function wake(payload: string | Uint8Array, subject = wakeSubject()): Promise<Msg> {
  const inbox = `_INBOX.${companyId}.${randomUUID()}`;
  const verdict = nc.subscribe(inbox, { max: 1, timeout: 10_000 });
  const h = headers();
  h.set("Reveille-Reply-To", inbox);
  await jetstream(nc).publish(subject, payload, { headers: h });
  for await (const message of verdict) return message;
  throw new Error("no verdict");
}
const wakeSubject = (): string => `rv.${companyId}.agent.${agentId}.wake`;

/** The bytes of one stream and the closing header of a run's log, in the order of the store. */
function collect(messages: { subject: string; data: Uint8Array; headers?: Msg["headers"] }[]) {
  const of = (stream: string): Buffer =>
    Buffer.concat(
      messages.filter(({ subject }) => subject.endsWith(stream)).map(({ data }) => data),
    );
  const end = messages.map((message) => message.headers?.get("Reveille-Log-End")).find(Boolean);
  return {
    stdout: of(".stdout"),
    stderr: of(".stderr"),
    end: end ?? "",
    whole: Buffer.concat(messages.map(({ data }) => data)),
  };
}

test("a JSON wake gets its verdict, the log comes live as plain bytes, and a finished log is replayed", async () => {
  // Everything of the company's runs, from before the wake: nothing can be missed.
  const live: Msg[] = [];
  const followed = nc.subscribe(`rv.${companyId}.run.*.log.>`);
  const closing = (async () => {
    for await (const message of followed) {
      live.push(message);
      if (message.headers?.has("Reveille-Log-End")) return;
    }
  })();
  await nc.flush();

  const verdict = (
    await wake(JSON.stringify({ reason: "by hand", payload: { colour: "blue" } }))
  ).json<Verdict>();
  expect(verdict).toMatchObject({ outcome: "queued", run: { agentId } });
  const runId = verdict.run!.id;
  await closing;
  followed.unsubscribe();

  const seen = collect(live);
  expect(seen.stdout).toEqual(stdout);
  expect(seen.stderr.toString()).toBe("warning\n");
  expect(live.every(({ subject }) => subject.startsWith(`rv.${companyId}.run.${runId}.log.`))).toBe(
    true,
  );

  const run = await runIsOver(system, runId);
  const sha256 = createHash("sha256").update(seen.whole).digest("hex");
  expect(run).toMatchObject({
    status: "succeeded",
    exitCode: 0,
    logBytes: seen.whole.length,
    logSha256: sha256,
  });
  expect(seen.end).toContain(`bytes=${seen.whole.length}; sha256=${sha256}`);

  // Ordered consumer: the client makes it, numbers what comes and makes it anew after a gap.
  const filter = `rv.${companyId}.run.${runId}.log.>`;
  const ordered = await jetstream(nc).consumers.get("LOGS", { filter_subjects: filter });
  const replayed = [];
  for await (const message of await ordered.consume()) {
    replayed.push(message);
    if (message.info.pending === 0) break;
  }
  expect(collect(replayed)).toMatchObject({ stdout, end: seen.end });

  // Pull consumer with a name of its own.
  const manager = await jetstreamManager(nc);
  const name = `replay_${randomUUID()}`;
  await manager.consumers.add("LOGS", {
    name,
    filter_subject: filter,
    ack_policy: AckPolicy.None,
    inactive_threshold: 5_000_000_000,
  });
  const pulled = [];
  const consumer = await jetstream(nc).consumers.get("LOGS", name);
  for await (const message of await consumer.fetch({
    max_messages: replayed.length,
    expires: 5_000,
  }))
    pulled.push(message);
  expect(collect(pulled)).toMatchObject({ stdout, end: seen.end });
  expect(await manager.consumers.delete("LOGS", name)).toBe(true);
});

test("a repeated wake id gets the same verdict and starts nothing; so does a repeated idempotency key", async () => {
  const payload = JSON.stringify({ id: "nightly-1", idempotencyKey: "nightly", reason: "nightly" });
  const first = (await wake(payload)).json<Verdict>();
  const again = (await wake(payload)).json<Verdict>();
  expect(again).toEqual(first);
  const other = (
    await wake(JSON.stringify({ id: "nightly-2", idempotencyKey: "nightly" }))
  ).json<Verdict>();
  expect(other).toMatchObject({
    outcome: "coalesced",
    wakeId: "nightly-2",
    run: { id: first.run!.id },
  });
  await runIsOver(system, first.run!.id);
});

test("a wake without any payload is refused: a server's own empty messages must not wake anybody", async () => {
  expect((await wake("")).json<Verdict>()).toMatchObject({
    outcome: "rejected",
    reason: "invalid",
  });
  const verdict = (await wake("{}")).json<Verdict>();
  expect(verdict.outcome).toBe("queued");
  await runIsOver(system, verdict.run!.id);
});

test("a plain request is answered by JetStream: stored, to be decided", async () => {
  const ack = await nc.request(wakeSubject(), JSON.stringify({ reason: "just so" }), {
    timeout: 5_000,
  });
  expect(ack.json()).toMatchObject({ stream: "MAILBOX" });
});

test("events of the company tell of the run's states in order", async () => {
  const statuses: string[] = [];
  const events = nc.subscribe(`rv.${companyId}.event.>`);
  await nc.flush();
  const verdict = (
    await wake(JSON.stringify({ payload: { taskKey: randomUUID() } }))
  ).json<Verdict>();
  for await (const message of events) {
    const frame = message.json<{ type: string; payload: { runId?: string; status?: string } }>();
    if (frame.payload.runId !== verdict.run!.id) continue;
    if (frame.type === "heartbeat.run.queued") statuses.push("queued");
    if (frame.type === "heartbeat.run.status") statuses.push(frame.payload.status!);
    if (frame.payload.status === "succeeded") break;
  }
  expect(statuses.filter((status, at) => statuses.indexOf(status) === at)).toEqual([
    "queued",
    "running",
    "succeeded",
  ]);
});
