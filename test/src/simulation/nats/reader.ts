// Owns the simulated partition reader: what the shipped one does with the real client's `consume`. Pulls of 256 with 30 s and heartbeats
// of 10 s, a new pull when a quarter was consumed, an end with a reason. Knows nothing of what the messages mean.
import type {
  PartitionReader,
  PartitionReaderOptions,
  StoredMessage,
} from "@reveille/shared/nats/partition-reader";
import type { Timer } from "@reveille/shared/runtime/clock";
import type { SimClient } from "./client.js";
import type { JetStream } from "./jetstream.js";
import { ApiError, apiErrors } from "./wire.js";
import type { WireMessage } from "./wire.js";

/** As the shipped reader asks for it when it is not told otherwise. */
const pulls = { batch: 256, expiresMs: 30_000, heartbeatMs: 10_000, inactiveMs: 60_000 } as const;
/** The client pulls again when no more than this share of a batch is outstanding. */
const refillShare = 0.75;

/** @throws Error of the API when there is no such stream, or "timeout". */
export async function openSimReader(
  client: SimClient,
  jetstream: JetStream,
  options: PartitionReaderOptions,
): Promise<PartitionReader> {
  const { stream } = options;
  const name = await client.call(() =>
    jetstream.addConsumer(stream, {
      filter: options.filter,
      startSeq: options.startSeq,
      explicitAck: false,
      ackWaitMs: 0,
      ackPendingMax: 0,
      durable: false,
      inactiveMs: pulls.inactiveMs,
    }),
  );
  await client.call(() => jetstream.consumer(stream, name).config);
  return new SimReader(client, jetstream, name, options);
}

class SimReader implements PartitionReader {
  readonly #client: SimClient;
  readonly #jetstream: JetStream;
  readonly #name: string;
  readonly #options: PartitionReaderOptions;
  readonly #batch: number;
  readonly #heartbeatMs: number;
  readonly #inbox: string;
  readonly #sid: number;
  readonly #monitor: Timer;
  readonly #offState: () => void;
  readonly #queue: (WireMessage | null)[] = [];
  #outstanding = 0;
  #expected = 1;
  #heardMs: number;
  #missed = 0;
  #watching = true;
  #resetting = false;
  #pumping = false;
  #stopped = false;

  constructor(
    client: SimClient,
    jetstream: JetStream,
    name: string,
    options: PartitionReaderOptions,
  ) {
    this.#client = client;
    this.#jetstream = jetstream;
    this.#name = name;
    this.#options = options;
    this.#batch = options.prefetchMax ?? pulls.batch;
    this.#heartbeatMs = options.heartbeatMs ?? pulls.heartbeatMs;
    this.#inbox = client.createInbox();
    const { clock } = client.process;
    this.#heardMs = clock.monotonicMs();
    this.#sid = client.listen(this.#inbox, (message) => this.#received(message));
    this.#monitor = clock.every(this.#heartbeatMs, () => this.#look());
    this.#offState = client.onState((state) => {
      // While there is no connection a silence says nothing.
      this.#watching = false;
      if (state === "connected") void this.#reset();
    });
    this.#pull();
  }

  async stop(): Promise<void> {
    this.#release();
    const { stream } = this.#options;
    await this.#client
      .call(() => this.#jetstream.deleteConsumer(stream, this.#name))
      .catch(() => undefined);
  }

  #end(reason: string): void {
    if (this.#stopped) return;
    this.#release();
    this.#options.onEnd(reason);
  }
  #release(): void {
    if (this.#stopped) return;
    this.#stopped = true;
    this.#monitor.cancel();
    this.#offState();
    this.#client.unlisten(this.#sid);
  }

  #received(message: WireMessage): void {
    this.#heardMs = this.#client.process.clock.monotonicMs();
    this.#missed = 0;
    if (message.status === 100) return;
    if (message.status === 409) {
      if (/deleted/i.test(message.description)) this.#end("reading failed: consumer deleted");
      return;
    }
    if (message.status === 0) {
      this.#outstanding = Math.max(0, this.#outstanding - 1);
      this.#queue.push(message);
    } else this.#outstanding -= Number(message.headers?.["Nats-Pending-Messages"] ?? 0);
    if (this.#outstanding <= Math.floor(this.#batch * refillShare)) this.#pull();
    else void this.#pump();
  }

  /** In its turn behind what was received: who does not take does not pull. */
  #pull(): void {
    this.#queue.push(null);
    this.#asked.push(this.#batch - this.#outstanding);
    this.#outstanding = this.#batch;
    void this.#pump();
  }
  readonly #asked: number[] = [];

  async #pump(): Promise<void> {
    if (this.#pumping) return;
    this.#pumping = true;
    try {
      for (;;) {
        const next = this.#queue.shift();
        if (next === undefined || this.#stopped) return;
        if (next === null) this.#publishPull(this.#asked.shift()!);
        else if (!(await this.#take(next))) return;
      }
    } catch (error) {
      this.#end(`reading failed: ${(error as Error).message}`);
    } finally {
      this.#pumping = false;
    }
  }

  async #take(message: WireMessage): Promise<boolean> {
    const delivery = readDelivery(message);
    if (delivery.number !== this.#expected) {
      this.#end(`gap: delivery ${delivery.number} after ${this.#expected - 1}`);
      return false;
    }
    this.#expected += 1;
    await this.#options.take(delivery.message);
    return true;
  }

  #publishPull(batch: number): void {
    const body = {
      batch,
      idle_heartbeat: this.#heartbeatMs * 1_000_000,
      expires: pulls.expiresMs * 1_000_000,
    };
    this.#client.publish(
      `$JS.API.CONSUMER.MSG.NEXT.${this.#options.stream}.${this.#name}`,
      new TextEncoder().encode(JSON.stringify(body)),
      undefined,
      this.#inbox,
    );
  }

  #look(): void {
    if (!this.#watching) return;
    if (this.#client.process.clock.monotonicMs() - this.#heardMs > this.#heartbeatMs)
      this.#missed += 1;
    if (this.#missed >= 2) this.#end("heartbeats_missed");
  }

  /** After a reconnect: is the consumer still there? Then everything that was asked for is asked for anew. */
  async #reset(): Promise<void> {
    if (this.#resetting) return;
    this.#resetting = true;
    const { clock } = this.#client.process;
    try {
      while (!this.#stopped) {
        const found = await this.#exists();
        if (this.#stopped) return;
        if (found === "there") {
          this.#outstanding = 0;
          this.#pull();
          this.#watching = true;
          this.#missed = 0;
          return;
        }
        if (found !== "unknown") return this.#end(`reading failed: ${found}`);
        await new Promise<void>((resume) => void clock.after(pulls.expiresMs, resume));
      }
    } finally {
      this.#resetting = false;
    }
  }

  async #exists(): Promise<"there" | "unknown" | "stream not found" | "consumer not found"> {
    const { stream } = this.#options;
    try {
      await this.#client.call(() => this.#jetstream.consumer(stream, this.#name).config);
      return "there";
    } catch (error) {
      if (!(error instanceof ApiError)) return "unknown";
      return error.code === apiErrors.noStream().code ? "stream not found" : "consumer not found";
    }
  }
}

/** `$JS.ACK.<stream>.<consumer>.<deliveries>.<stream sequence>.<delivery sequence>.<nanoseconds>.<pending>` */
function readDelivery(message: WireMessage): { number: number; message: StoredMessage } {
  const tokens = message.reply.split(".");
  return {
    number: Number(tokens[6]),
    message: {
      subject: message.subject,
      seq: Number(tokens[5]),
      timestampNs: BigInt(tokens[7]!),
      behindCount: Number(tokens[8]),
      data: message.data,
      header: (name) => message.headers?.[name] || undefined,
    },
  };
}
