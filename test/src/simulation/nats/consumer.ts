// Owns one simulated pull consumer: which message comes next, who waits for one, what was delivered and not acknowledged, when it comes
// again. Knows no connections: it sends through the inbox that a pull names.
import type { Loop, Scheduled } from "../machine/loop.js";
import type { StoredMsg, SimStream } from "./stream.js";
import { matcher } from "./subject-pattern.js";
import type { Matches } from "./subject-pattern.js";
import { statusMessage } from "./wire.js";
import type { WireMessage } from "./wire.js";

export interface ConsumerConfig {
  readonly name: string;
  readonly filter: string;
  /** First sequence wanted. */
  readonly startSeq: number;
  /** Deliveries are acknowledged one by one; otherwise never. */
  readonly explicitAck: boolean;
  readonly ackWaitMs: number;
  readonly ackPendingMax: number;
  /** Survives a restart of the server. */
  readonly durable: boolean;
  /** How long it lives without a pull; 0: for ever. */
  readonly inactiveMs: number;
}
export interface Pull {
  readonly reply: string;
  /** Messages still wanted. */
  remaining: number;
  readonly expiresMs: number;
  readonly heartbeatMs: number;
}
export interface ConsumerHost {
  readonly loop: Loop;
  /** Sends to whoever listens on an inbox; false when nobody does. */
  toInbox(inbox: string, message: WireMessage): boolean;
}
interface Waiting extends Pull {
  expiry: Scheduled;
  heartbeat: Scheduled;
}
interface Delivered {
  deliveries: number;
  /** Loop time; infinite while it waits in the queue of redeliveries. */
  dueMs: number;
}
/** Everything that a copy of the store's files has of a durable. */
export interface ConsumerSnapshot {
  readonly config: ConsumerConfig;
  readonly nextSeq: number;
  readonly delivered: number;
  readonly pending: ReadonlyMap<number, Delivered>;
}

/** The server's default `max_waiting`. */
const waitingMax = 512;

export class SimConsumer {
  readonly config: ConsumerConfig;
  readonly #host: ConsumerHost;
  readonly #stream: SimStream;
  readonly #matches: Matches;
  #waiting: Waiting[] = [];
  readonly #pending = new Map<number, Delivered>();
  readonly #again: number[] = [];
  #nextSeq: number;
  #delivered = 0;
  #check: Scheduled | null = null;
  #activeMs: number;
  #gone = false;

  constructor(host: ConsumerHost, stream: SimStream, config: ConsumerConfig) {
    this.#host = host;
    this.#stream = stream;
    this.config = config;
    this.#matches = matcher(config.filter);
    this.#nextSeq = config.startSeq;
    this.#activeMs = host.loop.nowMs;
  }

  /** Deliveries without an answer. */
  get unacknowledged(): number {
    return this.#pending.size;
  }
  get waiting(): number {
    return this.#waiting.length;
  }
  /** True when nobody pulled for so long that the server has dropped it. */
  get inactive(): boolean {
    const { inactiveMs } = this.config;
    if (inactiveMs === 0 || this.#waiting.length > 0) return false;
    return this.#host.loop.nowMs - this.#activeMs > inactiveMs;
  }

  pull(pull: Pull): void {
    this.#activeMs = this.#host.loop.nowMs;
    if (this.#waiting.length >= waitingMax) {
      this.#host.toInbox(pull.reply, statusMessage(pull.reply, 409, "Exceeded MaxWaiting"));
      return;
    }
    const { loop } = this.#host;
    const waiting: Waiting = {
      ...pull,
      expiry: loop.schedule(pull.expiresMs, () => this.#expire(waiting)),
      heartbeat: loop.schedule(pull.heartbeatMs, () => this.#beat(waiting)),
    };
    this.#waiting.push(waiting);
    this.pump();
  }

  /** Delivers while there are messages and pulls that want them. */
  pump(): void {
    while (!this.#gone && this.#waiting.length > 0) {
      const message = this.#next();
      if (!message) return;
      const to = this.#taker(message);
      if (!to) return this.#putBack(message);
    }
  }

  /** An answer to a delivery: `+ACK`, `-NAK ...`, `+WPI`, `+TERM ...`. */
  answer(seq: number, payload: string): void {
    const delivered = this.#pending.get(seq);
    if (!delivered || !this.config.explicitAck) return;
    if (payload.startsWith("+WPI")) {
      if (delivered.dueMs !== Infinity) this.#due(delivered, this.config.ackWaitMs);
    } else if (payload.startsWith("-NAK")) {
      const delayMs = nakDelayMs(payload);
      if (delayMs > 0) this.#due(delivered, delayMs);
      else this.#requeue(seq, delivered);
      this.pump();
    } else {
      // `+ACK`, an empty answer and `+TERM`: it is not wanted again.
      this.#pending.delete(seq);
      this.#dropAgain(seq);
      if (this.#stream.config.retention === "workqueue") this.#stream.remove(seq);
      this.pump();
    }
  }

  /** Deleted, with its stream or alone: those who wait are told. */
  end(): void {
    this.#gone = true;
    this.#check?.cancel();
    for (const pull of this.#waiting.splice(0)) {
      cancel(pull);
      this.#host.toInbox(pull.reply, statusMessage(pull.reply, 409, "Consumer Deleted"));
    }
  }
  /** The server is gone: nobody is told anything. */
  drop(): void {
    this.#gone = true;
    this.#check?.cancel();
    for (const pull of this.#waiting.splice(0)) cancel(pull);
  }

  snapshot(): ConsumerSnapshot {
    const pending = new Map([...this.#pending].map(([seq, each]) => [seq, { ...each }]));
    return { config: this.config, nextSeq: this.#nextSeq, delivered: this.#delivered, pending };
  }
  static restore(host: ConsumerHost, stream: SimStream, from: ConsumerSnapshot): SimConsumer {
    const consumer = new SimConsumer(host, stream, from.config);
    consumer.#nextSeq = from.nextSeq;
    consumer.#delivered = from.delivered;
    for (const [seq, { deliveries }] of from.pending) {
      const delivered = { deliveries, dueMs: 0 };
      consumer.#pending.set(seq, delivered);
      consumer.#due(delivered, from.config.ackWaitMs);
    }
    return consumer;
  }

  #next(): StoredMsg | null {
    for (let seq = this.#again.shift(); seq !== undefined; seq = this.#again.shift()) {
      const message = this.#stream.at(seq);
      if (message) return message;
      this.#pending.delete(seq);
    }
    if (this.config.explicitAck && this.#pending.size >= this.config.ackPendingMax) return null;
    const { messages } = this.#stream;
    for (let at = this.#stream.lowerBound(this.#nextSeq); at < messages.length; at += 1) {
      const message = messages[at]!;
      this.#nextSeq = message.seq + 1;
      if (this.#matches(message.subject)) return message;
    }
    return null;
  }

  /** The next who waits and still listens gets it; those who went away are forgotten. */
  #taker(message: StoredMsg): boolean {
    for (let pull = this.#waiting.shift(); pull; pull = this.#waiting.shift()) {
      if (this.#deliver(message, pull)) {
        pull.remaining -= 1;
        pull.heartbeat.cancel();
        if (pull.remaining === 0) pull.expiry.cancel();
        else {
          const waiting = pull;
          pull.heartbeat = this.#host.loop.schedule(pull.heartbeatMs, () => this.#beat(waiting));
          this.#waiting.push(pull);
        }
        return true;
      }
      cancel(pull);
    }
    return false;
  }

  #deliver(message: StoredMsg, pull: Pull): boolean {
    const before = this.#pending.get(message.seq)?.deliveries ?? 0;
    const { name, explicitAck, ackWaitMs } = this.config;
    const tokens = [this.#stream.config.name, name, before + 1, message.seq, this.#delivered + 1];
    const sent = this.#host.toInbox(pull.reply, {
      subject: message.subject,
      reply: `$JS.ACK.${tokens.join(".")}.${message.timestampNs}.0`,
      data: message.data,
      headers: message.headers,
      status: 0,
      description: "",
    });
    if (!sent) return false;
    this.#delivered += 1;
    if (explicitAck) {
      const delivered = { deliveries: before + 1, dueMs: 0 };
      this.#pending.set(message.seq, delivered);
      this.#due(delivered, ackWaitMs);
    }
    return true;
  }

  #putBack(message: StoredMsg): void {
    if (this.#pending.has(message.seq)) this.#again.unshift(message.seq);
    else this.#nextSeq = message.seq;
  }

  #due(delivered: Delivered, inMs: number): void {
    delivered.dueMs = this.#host.loop.nowMs + inMs;
    this.#schedule();
  }

  #schedule(): void {
    this.#check?.cancel();
    let first = Infinity;
    for (const { dueMs } of this.#pending.values()) first = Math.min(first, dueMs);
    this.#check =
      first === Infinity
        ? null
        : this.#host.loop.schedule(first - this.#host.loop.nowMs, () => this.#overdue());
  }

  #overdue(): void {
    const { nowMs } = this.#host.loop;
    for (const [seq, delivered] of this.#pending)
      if (delivered.dueMs <= nowMs) this.#requeue(seq, delivered);
    this.#schedule();
    this.pump();
  }

  #requeue(seq: number, delivered: Delivered): void {
    if (delivered.dueMs === Infinity) return;
    delivered.dueMs = Infinity;
    this.#again.push(seq);
  }
  #dropAgain(seq: number): void {
    const at = this.#again.indexOf(seq);
    if (at >= 0) this.#again.splice(at, 1);
  }

  #beat(pull: Waiting): void {
    const heard = this.#host.toInbox(pull.reply, statusMessage(pull.reply, 100, "Idle Heartbeat"));
    if (!heard) return this.#forget(pull);
    pull.heartbeat = this.#host.loop.schedule(pull.heartbeatMs, () => this.#beat(pull));
  }
  #expire(pull: Waiting): void {
    this.#forget(pull);
    const headers = {
      "Nats-Pending-Messages": String(pull.remaining),
      "Nats-Pending-Bytes": "0",
    };
    this.#host.toInbox(pull.reply, statusMessage(pull.reply, 408, "Request Timeout", headers));
  }
  #forget(pull: Waiting): void {
    cancel(pull);
    this.#activeMs = this.#host.loop.nowMs;
    this.#waiting = this.#waiting.filter((other) => other !== pull);
  }
}

function cancel(pull: Waiting): void {
  pull.expiry.cancel();
  pull.heartbeat.cancel();
}

/** `-NAK {"delay": nanoseconds}`, or nothing behind it: at once. */
function nakDelayMs(payload: string): number {
  const body = payload.slice("-NAK".length).trim();
  if (body === "") return 0;
  return (JSON.parse(body) as { delay?: number }).delay! / 1_000_000;
}
