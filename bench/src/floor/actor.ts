/**
 * The bare pipeline's actor process: reads 64 partitions in order without acknowledgements, commits what
 * has arrived (at most 200 messages a transaction, two transactions in flight over disjoint partitions), then
 * publishes executions and answers. It decides nothing: every wake becomes a run.
 */
import { randomUUID } from "node:crypto";
import { jetstream, jetstreamManager } from "@nats-io/jetstream";
import type { JsMsg } from "@nats-io/jetstream";
import type { NatsConnection } from "@nats-io/transport-node";
import { commitBatch, type Batch } from "./batch.js";
import { connectNats, connectPostgres, createPublisher, onlyIfEmpty } from "./connections.js";
import { childOf, type ServerUrls } from "./process.js";
import {
  batchMax,
  batchesInFlight,
  decode,
  encode,
  names,
  partitionCount,
  prefetchMax,
  subjects,
  type ExecutionMessage,
  type FinishedMessage,
  type StartedMessage,
} from "./settings.js";

const parent = childOf<ServerUrls>();
const { natsUrl, databaseUrl } = await parent.input;
const connection = await connectNats(natsUrl, "floor-actor");
const pool = connectPostgres(databaseUrl, "floor-actor", batchesInFlight + 1);
const publisher = createPublisher(connection, 1_024);
const queues = Array.from({ length: partitionCount }, (): JsMsg[] => []);
const busy = new Set<number>();
const ready = new Set<number>();
let inFlight = 0;

await Promise.all(queues.map((_, partition) => read(connection, partition)));
parent.ready();

/** Feeds one partition's queue, which is bounded by the prefetch: the loop waits while it is full. */
async function read(nats: NatsConnection, partition: number): Promise<void> {
  const manager = await jetstreamManager(nats, { checkAPI: false });
  const info = await manager.consumers.add(names.mailbox, {
    ack_policy: "none",
    deliver_policy: "by_start_sequence",
    opt_start_seq: 1,
    filter_subject: `*.${partition}.>`,
    mem_storage: true,
    num_replicas: 1,
    inactive_threshold: 60_000_000_000,
  });
  const consumer = await jetstream(nats).consumers.get(names.mailbox, info.name);
  const messages = await consumer.consume({
    max_messages: prefetchMax,
    expires: 30_000,
    idle_heartbeat: 10_000,
  });
  const queue = queues[partition]!;
  const pump = async (): Promise<void> => {
    for await (const message of messages) {
      queue.push(message);
      ready.add(partition);
      schedule();
      while (queue.length >= prefetchMax) await new Promise((go) => setTimeout(go, 1));
    }
  };
  pump().catch(parent.fail);
}

let scheduled = false;
/** Commits in the next turn of the event loop: what arrived in this one goes together. */
function schedule(): void {
  if (scheduled || inFlight >= batchesInFlight) return;
  scheduled = true;
  setImmediate(() => {
    scheduled = false;
    while (inFlight < batchesInFlight) {
      const messages = take();
      if (messages.size === 0) return;
      inFlight += 1;
      apply(messages).catch(parent.fail);
    }
  });
}

/** At most a batch of messages from partitions that no other transaction has. */
function take(): Map<number, JsMsg[]> {
  const taken = new Map<number, JsMsg[]>();
  let count = 0;
  for (const partition of ready) {
    if (busy.has(partition)) continue;
    const part = queues[partition]!.splice(0, batchMax - count);
    taken.set(partition, part);
    count += part.length;
    if (queues[partition]!.length === 0) ready.delete(partition);
    if (count >= batchMax) break;
  }
  for (const partition of taken.keys()) busy.add(partition);
  return taken;
}

async function apply(messages: Map<number, JsMsg[]>): Promise<void> {
  const batch: Batch = { wakes: [], changes: [], cursors: new Map() };
  const effects: (() => void)[] = [];
  for (const [partition, part] of messages) {
    for (const message of part) translate(message, batch, effects);
    const last = part.at(-1)!;
    batch.cursors.set(partition, { seq: last.seq, timestampNs: last.timestampNanos });
  }
  await commitBatch(pool, batch);
  for (const effect of effects) effect();
  for (const partition of messages.keys()) busy.delete(partition);
  inFlight -= 1;
  schedule();
}

/** Stored subject: generation.partition.company.agent.kind. */
function translate(message: JsMsg, batch: Batch, effects: (() => void)[]): void {
  const [, , companyId = "", agentId = "", ...kind] = message.subject.split(".");
  if (kind[0] === "wake") return wake(message, { companyId, agentId }, batch, effects);
  const report = decode<FinishedMessage | StartedMessage>(message.data);
  const { runId, claimId, incarnation, runnerId } = report;
  const answer = (text: "go" | "committed"): void =>
    connection.publish(subjects.answer(incarnation), encode({ answer: text, claimId }));
  if ("exitCode" in report) {
    batch.changes.push({
      runId,
      claimId,
      runnerId,
      exitCode: report.exitCode,
      status: report.exitCode === 0 ? "succeeded" : "failed",
      logBytes: report.log.bytes,
      logSha256: report.log.sha256,
    });
    effects.push(() => answer("committed"));
  } else {
    batch.changes.push({
      runId,
      claimId,
      runnerId,
      status: "running",
      exitCode: null,
      logBytes: null,
      logSha256: null,
    });
    effects.push(() => answer("go"));
  }
}

function wake(
  message: JsMsg,
  at: { companyId: string; agentId: string },
  batch: Batch,
  effects: (() => void)[],
): void {
  const body = decode<{ id: string; payload: object }>(message.data);
  const runId = randomUUID();
  batch.wakes.push({
    ...at,
    wakeId: body.id,
    payload: JSON.stringify(body.payload),
    runId,
  });
  const execution: ExecutionMessage = { ...at, runId, attempt: 1 };
  effects.push(() => {
    publisher
      .publish(subjects.execution(at.companyId, runId), encode(execution), onlyIfEmpty())
      .catch(parent.fail);
  });
}
