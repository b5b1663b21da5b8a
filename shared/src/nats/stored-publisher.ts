/**
 * Publishing to JetStream with acknowledgement, many at a time. One reply subscription and one map of
 * what is in flight, instead of the client's request per message (about 70 us of CPU each when
 * measured): a run is five stored messages, so this is a third of its cost.
 *
 * A publish is sent again when no answer came in time, with the same content: every stored message of
 * Reveille is harmless to repeat (its effect is decided by ids in Postgres, its subject admits one
 * copy, or its Nats-Msg-Id lies within the stream's window). In flight is bounded: `publish` waits.
 */
import { brokerRefused, brokerUnavailable } from "../errors.js";
import { systemClock } from "../runtime/clock.js";
import type { Clock, Timer } from "../runtime/clock.js";
import type { Bus, BusMessage, BusSubscription } from "./bus.js";

export interface StoredAck {
  stream: string;
  seq: number;
  duplicate: boolean;
}
export interface StoredPublishOptions {
  headers?: Record<string, string>;
  /** Store only if no message is stored under this subject; `null` comes back when one is. */
  onlyIfSubjectEmpty?: boolean;
}
export interface StoredPublisherOptions {
  /** 1,024: four times what filled the pipe when measured; more only queues in the server. */
  inFlightMax?: number;
  /** How long one answer may take. 5 s is longer than any healthy server's sync. */
  ackTimeoutMs?: number;
  /** Waits for an answer in all: with 6 x 5 s a server's restart and the election of a leader (up to 9 s) are survived. */
  attemptsMax?: number;
  clock?: Clock;
}

interface Pending {
  subject: string;
  data: Uint8Array;
  headers: Record<string, string> | undefined;
  attempt: number;
  retryAt: number;
  /** From then on a refusal is final. */
  giveUpAt: number;
  resolve: (ack: StoredAck | null) => void;
  reject: (error: Error) => void;
}

const expectSubjectEmpty = { "Nats-Expected-Last-Subject-Sequence": "0" };
/** JetStream's error code for "wrong last sequence" (server/errors.json). */
const wrongLastSequence = 10071;
/** Error codes that say "not now": no responders, storage busy, leader missing, stream offline. */
const transientCodes = new Set([503, 10008, 10039, 10076, 10077, 10118]);

/** How often what is overdue is looked for: coarse, one timer instead of one for each message. */
const sweepMs = 100;
/** Between "not now" and the next try, times the number of tries so far, up to the second. */
const retryDelayMs = 250;
const retryDelayMaxMs = 1_000;

export class StoredPublisher {
  readonly #bus: Bus;
  readonly #inbox: string;
  readonly #inFlightMax: number;
  readonly #ackTimeoutMs: number;
  readonly #attemptsMax: number;
  readonly #pending = new Map<string, Pending>();
  readonly #waiting: (() => void)[] = [];
  readonly #subscription: BusSubscription;
  readonly #clock: Clock;
  readonly #sweep: Timer;
  #next = 0;
  #closed = false;
  #retries = 0;
  /** The last answer, or the first publish since there was nothing to answer. */
  #silentSince: number | null = null;

  constructor(bus: Bus, options: StoredPublisherOptions = {}) {
    this.#bus = bus;
    this.#inbox = bus.createInbox();
    this.#inFlightMax = options.inFlightMax ?? 1_024;
    this.#ackTimeoutMs = options.ackTimeoutMs ?? 5_000;
    this.#attemptsMax = options.attemptsMax ?? 6;
    this.#subscription = bus.subscribe(`${this.#inbox}.*`, (message) => this.#answered(message));
    this.#clock = options.clock ?? systemClock;
    this.#sweep = this.#clock.every(sweepMs, () => this.#resend(), { background: true });
    // What was on its way when the connection broke need not wait until its time has run out.
    bus.onState((state) => {
      if (state === "connected") for (const entry of this.#pending.values()) entry.retryAt = 0;
    });
  }

  /** Messages published and not answered. */
  get inFlight(): number {
    return this.#pending.size;
  }

  /** Messages that were sent again because no answer came, or a not-now; since the start. */
  get retries(): number {
    return this.#retries;
  }

  /**
   * For how long (ms) nothing was taken or refused for good although something waits for it: a store that cannot write (its disk
   * is full) keeps the connection and answers nothing. 0 while nothing waits.
   */
  get silentMs(): number {
    return this.#silentSince === null ? 0 : this.#clock.monotonicMs() - this.#silentSince;
  }

  /**
   * Resolves when JetStream has stored it; null when `onlyIfSubjectEmpty` found one.
   * @throws RuntimeError `BrokerRefused` (a limit), `BrokerUnavailable` (not stored after all tries).
   */
  async publish(
    subject: string,
    data: Uint8Array,
    options: StoredPublishOptions = {},
  ): Promise<StoredAck | null> {
    while (this.#pending.size >= this.#inFlightMax && !this.#closed)
      await new Promise<void>((go) => this.#waiting.push(go));
    if (this.#closed) throw brokerUnavailable("the publisher is closed");
    return new Promise<StoredAck | null>((resolve, reject) => {
      const token = (this.#next++).toString(36);
      const headers = options.onlyIfSubjectEmpty
        ? { ...options.headers, ...expectSubjectEmpty }
        : options.headers;
      const giveUpAt = this.#clock.monotonicMs() + this.#attemptsMax * this.#ackTimeoutMs;
      const times = { attempt: 0, retryAt: 0, giveUpAt };
      const entry: Pending = { subject, data, headers, ...times, resolve, reject };
      this.#pending.set(token, entry);
      this.#send(token, entry);
    });
  }

  /** What is in flight is rejected: it may or may not have been stored. */
  close(): void {
    this.#closed = true;
    this.#sweep.cancel();
    this.#subscription.unsubscribe();
    for (const entry of this.#pending.values())
      entry.reject(brokerUnavailable("the publisher is closed"));
    this.#pending.clear();
    for (const go of this.#waiting.splice(0)) go();
  }

  #send(token: string, entry: Pending): void {
    if (entry.attempt > 0) this.#retries += 1;
    entry.attempt += 1;
    this.#silentSince ??= this.#clock.monotonicMs();
    entry.retryAt = this.#clock.monotonicMs() + this.#ackTimeoutMs;
    this.#bus.publish(entry.subject, entry.data, entry.headers, `${this.#inbox}.${token}`);
  }

  #answered(message: BusMessage): void {
    const token = message.subject.slice(this.#inbox.length + 1);
    const entry = this.#pending.get(token);
    if (!entry) return;
    const reply = parseAck(message.data, message.header("Status"));
    if (!reply.ok && transientCodes.has(reply.code)) return this.#again(token, entry, reply.text);
    this.#silentSince = this.#clock.monotonicMs();
    this.#settle(token);
    if (reply.ok) entry.resolve(reply.ack);
    else if (reply.code === wrongLastSequence) entry.resolve(null);
    else entry.reject(brokerRefused(`${entry.subject} refused: ${reply.text}`));
  }

  #resend(): void {
    const now = this.#clock.monotonicMs();
    for (const [token, entry] of this.#pending) {
      if (entry.retryAt > now) continue;
      if (now >= entry.giveUpAt) this.#again(token, entry, "no answer");
      else this.#send(token, entry);
    }
  }

  #again(token: string, entry: Pending, why: string): void {
    const now = this.#clock.monotonicMs();
    if (now < entry.giveUpAt) {
      entry.retryAt = now + Math.min(retryDelayMaxMs, retryDelayMs * entry.attempt);
      return;
    }
    this.#settle(token);
    entry.reject(
      brokerUnavailable(`${entry.subject} not stored after ${entry.attempt} tries: ${why}`),
    );
  }

  #settle(token: string): void {
    this.#pending.delete(token);
    if (this.#pending.size === 0) this.#silentSince = null;
    this.#waiting.shift()?.();
  }
}

type ParsedAck = { ok: true; ack: StoredAck } | { ok: false; code: number; text: string };

function parseAck(data: Uint8Array, status: string | undefined): ParsedAck {
  if (data.length === 0) return { ok: false, code: Number(status ?? 503), text: "no responders" };
  const body = JSON.parse(Buffer.from(data.buffer, data.byteOffset, data.length).toString()) as {
    stream?: string;
    seq?: number;
    duplicate?: boolean;
    error?: { err_code?: number; description?: string };
  };
  if (body.error)
    return {
      ok: false,
      code: body.error.err_code ?? 0,
      text: body.error.description ?? "unknown error",
    };
  return {
    ok: true,
    ack: { stream: body.stream ?? "", seq: body.seq ?? 0, duplicate: body.duplicate ?? false },
  };
}
