// Owns the simulated `WorkQueue` port: the lanes of the shipped one, on a simulated connection and its process' clock.
import { brokerUnavailable } from "@reveille/shared/errors";
import { nakPayload } from "@reveille/shared/nats/work-queue";
import type { WorkItem, WorkQueue, WorkQueueOptions } from "@reveille/shared/nats/work-queue";
import { poolConsumerConfig, topologyNames } from "@reveille/shared/protocol/topology";
import type { Subjects } from "@reveille/shared/protocol/subjects";
import type { Timer } from "@reveille/shared/runtime/clock";
import type { SimClient } from "./client.js";
import type { JetStream } from "./jetstream.js";
import type { WireMessage } from "./wire.js";

/** Numbers of the shipped queue. */
const laneCount = 4;
const heartbeatMs = 5_000;
const missingPauseMs = { first: 250, max: 2_000 } as const;

interface Lane {
  sid: number;
  inbox: string;
  remaining: number;
  heardMs: number;
  expiresMs: number;
  pausedUntilMs: number;
}

export const openSimWorkQueue = (client: SimClient, options: WorkQueueOptions): WorkQueue =>
  new SimWorkQueue(client, options);

class SimWorkQueue implements WorkQueue {
  readonly #client: SimClient;
  readonly #options: WorkQueueOptions;
  readonly #pullMs: number;
  readonly #lanes: Lane[];
  readonly #sweep: Timer;
  #wanted = 0;
  #stopped = false;
  #scheduled = false;
  #missingPause = 0;

  constructor(client: SimClient, options: WorkQueueOptions) {
    this.#client = client;
    this.#options = options;
    this.#pullMs = options.pullMs ?? 30_000;
    this.#lanes = Array.from({ length: laneCount }, () => {
      const lane = { remaining: 0, heardMs: 0, expiresMs: 0, pausedUntilMs: 0 } as Lane;
      this.#listen(lane);
      return lane;
    });
    this.#sweep = client.process.clock.every(missingPauseMs.first, () => this.#look());
    client.onState((state) => {
      if (state !== "connected" || this.#stopped) return;
      for (const lane of this.#lanes) this.#renew(lane);
      this.#schedule();
    });
  }

  want(count: number): void {
    this.#wanted = count;
    this.#schedule();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#sweep.cancel();
    // What had arrived is still handed over, to be given back.
    await this.#client.flush().catch(() => undefined);
    for (const lane of this.#lanes) this.#client.unlisten(lane.sid);
  }

  #listen(lane: Lane): void {
    lane.inbox = this.#client.createInbox();
    lane.sid = this.#client.listen(lane.inbox, (message) => this.#receive(lane, message));
  }

  #receive(lane: Lane, message: WireMessage): void {
    const now = this.#now();
    lane.heardMs = now;
    if (message.status === 0) return this.#deliver(lane, message);
    if (message.status === 100) return;
    lane.remaining = 0;
    if (
      message.status === 503 ||
      (message.status === 409 && /deleted/i.test(message.description))
    ) {
      const pause = Math.min(missingPauseMs.max, this.#missingPause * 2 || missingPauseMs.first);
      this.#missingPause = pause;
      lane.pausedUntilMs = now + pause;
      if (!this.#stopped) this.#options.onMissing();
      return;
    }
    this.#found();
    if (message.status === 409) lane.pausedUntilMs = now + missingPauseMs.first;
    this.#schedule();
  }

  #deliver(lane: Lane, message: WireMessage): void {
    const item = workItem(this.#client, message);
    if (this.#stopped || lane.remaining === 0) return item.nak(0);
    this.#found();
    lane.remaining -= 1;
    this.#wanted -= 1;
    this.#options.take(item);
    if (lane.remaining === 0) this.#schedule();
  }

  #found(): void {
    if (this.#missingPause > 0) this.#options.onFound?.();
    this.#missingPause = 0;
  }

  #schedule(): void {
    if (this.#scheduled || this.#stopped) return;
    this.#scheduled = true;
    this.#client.process.clock.soon(() => this.#pull());
  }

  #pull(): void {
    this.#scheduled = false;
    if (this.#stopped || !this.#client.connected) return;
    let missing = this.#wanted;
    for (const lane of this.#lanes) missing -= lane.remaining;
    if (missing <= 0) return;
    const now = this.#now();
    const free = this.#lanes.find((lane) => lane.remaining === 0 && lane.pausedUntilMs <= now);
    if (!free) return;
    free.remaining = missing;
    free.heardMs = now;
    free.expiresMs = now + this.#pullMs;
    const { stream, consumer } = this.#options;
    const times = { expires: this.#pullMs * 1_000_000, idle_heartbeat: heartbeatMs * 1_000_000 };
    this.#client.publish(
      `$JS.API.CONSUMER.MSG.NEXT.${stream}.${consumer}`,
      bytes(JSON.stringify({ batch: missing, ...times })),
      undefined,
      free.inbox,
    );
  }

  #look(): void {
    const now = this.#now();
    for (const lane of this.#lanes) {
      const silent = now > lane.heardMs + 2 * heartbeatMs || now > lane.expiresMs + heartbeatMs;
      if (lane.remaining > 0 && silent) this.#renew(lane);
    }
    this.#schedule();
  }

  #renew(lane: Lane): void {
    this.#client.unlisten(lane.sid);
    lane.remaining = 0;
    this.#listen(lane);
  }
  #now(): number {
    return this.#client.process.clock.monotonicMs();
  }
}

function workItem(client: SimClient, message: WireMessage): WorkItem {
  const ackSubject = message.reply;
  const answer = (payload: Uint8Array): void => client.publish(ackSubject, payload);
  return {
    subject: message.subject,
    data: message.data,
    ackSubject,
    deliveryCount: Number(ackSubject.split(".")[4]),
    ack: () => answer(bytes("+ACK")),
    working: () => answer(bytes("+WPI")),
    nak: (delayMs) => answer(nakPayload(delayMs)),
    term: (reason) => answer(bytes(`+TERM ${reason}`)),
  };
}

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

/** Makes the durable of a pool. @throws RuntimeError `BrokerUnavailable` when there is no stream for it. */
export async function ensureSimPoolConsumer(
  client: SimClient,
  jetstream: JetStream,
  subjects: Subjects,
  pool: string,
): Promise<void> {
  const config = poolConsumerConfig(subjects, pool);
  const { exec } = topologyNames(subjects.prefix);
  try {
    await client.call(() =>
      jetstream.addConsumer(exec, {
        name: config.durable_name,
        filter: config.filter_subject,
        startSeq: 1,
        explicitAck: true,
        ackWaitMs: config.ack_wait / 1_000_000,
        ackPendingMax: config.max_ack_pending,
        durable: true,
        inactiveMs: 0,
      }),
    );
  } catch (error) {
    throw brokerUnavailable(`consumer of pool ${pool}: ${(error as Error).message}`, error);
  }
}
