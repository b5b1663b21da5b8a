/**
 * Takes work from one durable pull consumer of a work-queue stream: never more than was asked for,
 * and with a pull always outstanding while something is wanted. Knows nothing of what the work is.
 *
 * A few lanes, each a long-lived inbox with at most one pull, instead of a subscription per message
 * (the client's `fetch`: 3 extra protocol lines and several objects for each). A lane's own inbox says
 * which pull a message or a status belongs to, so what is outstanding is always known exactly. A pull
 * that may be lost (reconnect, missed heartbeats) gets a new inbox: what the server still sends to the
 * old one finds nobody and is delivered again after `ack_wait`.
 */
import { AckPolicy } from "@nats-io/jetstream";
import { poolConsumerConfig, topologyNames } from "../protocol/topology.js";
import type { Subjects } from "../protocol/subjects.js";
import { brokerUnavailable } from "../errors.js";
import { systemClock } from "../runtime/clock.js";
import type { Clock, Timer } from "../runtime/clock.js";
import type { Bus, BusMessage, BusSubscription, NatsBus } from "./bus.js";

/** One delivery. Answer it once (`ack`, `nak`, `term`); `working` any number of times before. */
export interface WorkItem {
  readonly subject: string;
  readonly data: Uint8Array;
  /** 1 for the first delivery. */
  readonly deliveryCount: number;
  /** Where answers go: lets another process of the same machine give the item back. */
  readonly ackSubject: string;
  /** When JetStream stored it, milliseconds since 1970. */
  readonly storedAtMs: number;
  header(name: string): string | undefined;
  ack(): void;
  /** Starts `ack_wait` anew. */
  working(): void;
  /** Gives it back, to be delivered again after `delayMs`. */
  nak(delayMs: number): void;
  /** Never deliver it again. */
  term(reason: string): void;
}

export interface WorkQueue {
  /** How many more items may come from now on; replaces the former number. 0 lets open pulls run out. */
  want(count: number): void;
  /** Takes nothing more; what is still on its way is given back. */
  stop(): Promise<void>;
}
export interface WorkQueueOptions {
  stream: string;
  consumer: string;
  take: (item: WorkItem) => void;
  /** The stream or consumer is missing; called with growing pauses until pulls are answered again. */
  onMissing: () => void;
  onFound?: () => void;
  /**
   * How long one pull waits in the server. 6 s: for so long a runner that was cut off without a word (half open) is still given
   * work, which comes again after `ack_wait`; and it is a message in six seconds when nothing comes.
   */
  pullMs?: number;
  clock?: Clock;
}

/** Four pulls: new demand is asked for at once while older pulls are still filling; `max_waiting` (512) allows 128 runners. */
const laneCount = 4;
/** The server's sign of life on a waiting pull. Two missed ones (4 s, the time of an election in a cluster) are a lost pull. */
const heartbeatMs = 2_000;
/** First and longest pause after "no such consumer". */
const missingPauseMs = { first: 250, max: 2_000 } as const;

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const acks = { ack: bytes("+ACK"), working: bytes("+WPI") } as const;

interface Lane {
  subscription: BusSubscription;
  inbox: string;
  /** Items that the open pull may still bring; 0: no pull is open. */
  remaining: number;
  heardAt: number;
  expiresAt: number;
  pausedUntil: number;
}

/** Starts with nothing wanted. Survives reconnects, and streams that are deleted and made anew. */
export function openWorkQueue(bus: Bus, options: WorkQueueOptions): WorkQueue {
  return new LanedQueue(bus, options);
}

class LanedQueue implements WorkQueue {
  readonly #bus: Bus;
  readonly #clock: Clock;
  readonly #options: WorkQueueOptions;
  readonly #pullMs: number;
  readonly #pullSubject: string;
  readonly #requests = new Map<number, Uint8Array>();
  readonly #lanes: Lane[];
  readonly #sweep: Timer;
  #wanted = 0;
  #stopped = false;
  #scheduled = false;
  #missingPause = 0;

  constructor(bus: Bus, options: WorkQueueOptions) {
    this.#bus = bus;
    this.#clock = options.clock ?? systemClock;
    this.#options = options;
    this.#pullMs = options.pullMs ?? 6_000;
    this.#pullSubject = `$JS.API.CONSUMER.MSG.NEXT.${options.stream}.${options.consumer}`;
    this.#lanes = Array.from({ length: laneCount }, () => {
      const lane = { remaining: 0, heardAt: 0, expiresAt: 0, pausedUntil: 0 } as Lane;
      this.#listen(lane);
      return lane;
    });
    this.#sweep = this.#clock.every(missingPauseMs.first, () => this.#look());
    bus.onState((state) => {
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
    // Draining hands over what had arrived, to be given back instead of waiting for ack_wait.
    await Promise.all(this.#lanes.map((lane) => lane.subscription.drain()));
  }

  #listen(lane: Lane): void {
    lane.inbox = this.#bus.createInbox();
    lane.subscription = this.#bus.subscribe(lane.inbox, (message) => this.#receive(lane, message), {
      // Without the permission nothing ever comes; the bus has its own way to say so.
      onDenied: () => undefined,
    });
  }

  #receive(lane: Lane, message: BusMessage): void {
    lane.heardAt = this.#clock.monotonicMs();
    if (message.subject !== lane.inbox) return this.#deliver(lane, message);
    const code = Number(message.header("Status") ?? 0);
    if (code === 100) return; // a heartbeat
    lane.remaining = 0;
    if (code === 503 || (code === 409 && /deleted/i.test(message.header("Description") ?? ""))) {
      const pause = Math.min(missingPauseMs.max, this.#missingPause * 2 || missingPauseMs.first);
      this.#missingPause = pause;
      lane.pausedUntil = this.#clock.monotonicMs() + pause;
      if (!this.#stopped) this.#options.onMissing();
      return;
    }
    this.#found();
    // 408 and 404: the pull ran out. Other 409s (a limit, a server that shuts down): not at once again.
    if (code === 409) lane.pausedUntil = this.#clock.monotonicMs() + missingPauseMs.first;
    this.#schedule();
  }

  #deliver(lane: Lane, message: BusMessage): void {
    const item = workItem(this.#bus, message);
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

  /** Once per turn of the loop: slots that come free together are one pull. */
  #schedule(): void {
    if (this.#scheduled || this.#stopped) return;
    this.#scheduled = true;
    this.#clock.soon(() => this.#pull());
  }

  #pull(): void {
    this.#scheduled = false;
    if (this.#stopped || !this.#bus.connected) return;
    let missing = this.#wanted;
    for (const lane of this.#lanes) missing -= lane.remaining;
    if (missing <= 0) return;
    const now = this.#clock.monotonicMs();
    const free = this.#lanes.find((lane) => lane.remaining === 0 && lane.pausedUntil <= now);
    if (!free) return;
    free.remaining = missing;
    free.heardAt = now;
    free.expiresAt = now + this.#pullMs;
    this.#bus.publish(this.#pullSubject, this.#request(missing), undefined, free.inbox);
  }

  #request(batch: number): Uint8Array {
    const ns = 1_000_000;
    let made = this.#requests.get(batch);
    if (!made) {
      const times = { expires: this.#pullMs * ns, idle_heartbeat: heartbeatMs * ns };
      made = bytes(JSON.stringify({ batch, ...times }));
      this.#requests.set(batch, made);
    }
    return made;
  }

  #look(): void {
    const now = this.#clock.monotonicMs();
    for (const lane of this.#lanes) {
      const silent = now > lane.heardAt + 2 * heartbeatMs || now > lane.expiresAt + heartbeatMs;
      if (lane.remaining > 0 && silent) this.#renew(lane);
    }
    this.#schedule();
  }

  #renew(lane: Lane): void {
    lane.subscription.unsubscribe();
    lane.remaining = 0;
    this.#listen(lane);
  }
}

const nsPerMs = 1e6;

function workItem(bus: Bus, message: BusMessage): WorkItem {
  const ackSubject = message.reply;
  const answer = (payload: Uint8Array): void => bus.publish(ackSubject, payload);
  return {
    subject: message.subject,
    data: message.data,
    ackSubject,
    get deliveryCount() {
      // $JS.ACK.<stream>.<consumer>.<count>... or, with domain and account in front, two tokens more.
      const tokens = ackSubject.split(".");
      return Number(tokens[tokens.length >= 11 ? 6 : 4]);
    },
    get storedAtMs() {
      const tokens = ackSubject.split(".");
      return Number(tokens[tokens.length >= 11 ? 9 : 7]) / nsPerMs;
    },
    header: (name) => message.header(name),
    ack: () => answer(acks.ack),
    working: () => answer(acks.working),
    nak: (delayMs) => answer(nakPayload(delayMs)),
    term: (reason) => answer(bytes(`+TERM ${reason}`)),
  };
}

/** What to publish to an `ackSubject` to give the item back. */
export const nakPayload = (delayMs: number): Uint8Array =>
  bytes(delayMs > 0 ? `-NAK {"delay": ${Math.round(delayMs * 1_000_000)}}` : "-NAK");

/**
 * Makes the durable of a pool, or brings it to what `poolConsumerConfig` says. Harmless to repeat.
 * @throws RuntimeError `BrokerUnavailable`: no such stream yet, no permission, no answer.
 */
export async function ensurePoolConsumer(
  bus: NatsBus,
  subjects: Subjects,
  pool: string,
): Promise<void> {
  const { ack_policy: _, ...config } = poolConsumerConfig(subjects, pool);
  const { exec } = topologyNames(subjects.prefix);
  try {
    await bus.jsm.consumers.add(exec, { ...config, ack_policy: AckPolicy.Explicit });
  } catch (error) {
    throw brokerUnavailable(`consumer of pool ${pool}: ${(error as Error).message}`, error);
  }
}
