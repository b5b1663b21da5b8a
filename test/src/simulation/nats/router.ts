// Owns the server's core: sessions, subscriptions, which message goes to whom, and the state that faults change. JetStream's API subjects
// that travel as messages (pulls, answers to deliveries) are told apart here; its other requests are calls of the client.
import type { Loop } from "../machine/loop.js";
import type { SimProcess } from "../machine/process.js";
import type { Random } from "../machine/random.js";
import type { ServerSide, SimClient } from "./client.js";
import { JetStream } from "./jetstream.js";
import { Link, Session } from "./session.js";
import type { Subscription } from "./session.js";
import { isPattern, matcher } from "./subject-pattern.js";
import type { Matches } from "./subject-pattern.js";
import { ApiError, statusMessage } from "./wire.js";
import type { WireMessage } from "./wire.js";

const pullPrefix = "$JS.API.CONSUMER.MSG.NEXT.";
const ackPrefix = "$JS.ACK.";

export class Router implements ServerSide {
  readonly version = "2.15.1";
  readonly loop: Loop;
  readonly random: Random;
  readonly jetstream: JetStream;
  readonly links = new Map<SimProcess, Link>();
  readonly clients = new Map<Session, SimClient>();
  readonly #delayMs: () => number;
  readonly #literal = new Map<string, Set<Subscription>>();
  readonly #patterns = new Map<Subscription, Matches>();
  #tokens = 0;
  #answeredMs = 0;
  /** Takes connections. */
  up = true;
  /** Stopped as by SIGSTOP: connections stay, nothing moves. */
  frozen = false;
  /** JetStream answers. */
  answers = true;
  /** Probability that a read of a bucket shows the value before the last. */
  staleReads = 0;

  constructor(loop: Loop, random: Random, delayMs: () => number) {
    this.loop = loop;
    this.random = random;
    this.#delayMs = delayMs;
    this.jetstream = new JetStream(
      { loop, toInbox: (inbox, message) => this.#toInbox(inbox, message) },
      random,
    );
  }

  link(process: SimProcess): Link {
    let link = this.links.get(process);
    if (!link) this.links.set(process, (link = new Link(process, this)));
    return link;
  }
  reach(process: SimProcess): "open" | "refused" | "silent" {
    const link = this.link(process);
    if (link.stuck("to-server") || link.stuck("to-client")) return "silent";
    return this.up ? "open" : "refused";
  }
  open(client: SimClient): Session {
    const session: Session = new Session(
      this.loop,
      this.link(client.process),
      {
        serverEnd: (ended) => {
          for (const each of ended.subscriptions.values()) this.#remove(each);
          ended.subscriptions.clear();
          this.clients.delete(ended);
        },
        clientEnd: (ended) => client.ended(ended),
      },
      this.#delayMs,
      (sid, message) => {
        if (client.session === session) client.received(sid, message);
      },
    );
    this.clients.set(session, client);
    return session;
  }
  handshakeMs(): number {
    return this.#delayMs() * 4;
  }
  token(): string {
    return `i${(this.#tokens++).toString(36)}`;
  }
  readsStale(): boolean {
    return this.staleReads > 0 && this.random.chance(this.staleReads);
  }

  subscribe(session: Session, sid: number, subject: string, queue: string | undefined): void {
    this.unsubscribe(session, sid);
    const subscription = { session, sid, subject, queue };
    session.subscriptions.set(sid, subscription);
    if (isPattern(subject)) return void this.#patterns.set(subscription, matcher(subject));
    const same = this.#literal.get(subject);
    if (same) same.add(subscription);
    else this.#literal.set(subject, new Set([subscription]));
  }
  unsubscribe(session: Session, sid: number): void {
    const subscription = session.subscriptions.get(sid);
    if (!subscription) return;
    session.subscriptions.delete(sid);
    this.#remove(subscription);
  }

  publish(session: Session | null, message: WireMessage): void {
    const { subject, reply } = message;
    if (subject.startsWith(pullPrefix)) return this.#pull(message);
    if (subject.startsWith(ackPrefix)) {
      return this.#answerLater(subject, text(message.data));
    }
    const heard = this.#deliver(message);
    const stream = this.jetstream.taking(subject);
    if (stream) {
      if (!this.answers) return;
      this.#store(stream.config.name, message);
      if (session) this.#repeat(session, message);
    } else if (heard === 0 && reply !== "" && session)
      this.#deliver(statusMessage(reply, 503, "No Responders Available For Request"));
  }

  /** The server looks at answers to deliveries beside what else comes: in their order, but a little later. */
  #answerLater(subject: string, payload: string): void {
    if (!this.answers) return;
    const nowMs = this.loop.nowMs;
    this.#answeredMs = Math.max(this.#answeredMs, nowMs + this.random.between(0, 300) / 1_000);
    this.loop.schedule(this.#answeredMs - nowMs, () => {
      if (this.up) this.jetstream.answer(subject, payload);
    });
  }

  /** A message from outside of all connections; nothing while the server is away. */
  inject(message: WireMessage): void {
    if (this.up && !this.frozen) this.publish(null, message);
  }

  /** Whoever listens; one of each queue. How many that were. */
  #deliver(message: WireMessage): number {
    const queues = new Map<string, Subscription[]>();
    let heard = 0;
    for (const each of this.#listening(message.subject)) {
      heard += 1;
      if (each.queue === undefined) this.#hand(each, message);
      else {
        const members = queues.get(each.queue);
        if (members) members.push(each);
        else queues.set(each.queue, [each]);
      }
    }
    for (const members of queues.values()) this.#hand(this.random.pick(members), message);
    return heard;
  }

  *#listening(subject: string): Generator<Subscription> {
    const literal = this.#literal.get(subject);
    if (literal) yield* literal;
    for (const [subscription, matches] of this.#patterns) if (matches(subject)) yield subscription;
  }

  #hand({ session, sid }: Subscription, message: WireMessage): void {
    session.down(() => session.receive(sid, message));
  }

  /** What a consumer sends keeps the subject under which it is stored. */
  #toInbox(inbox: string, message: WireMessage): boolean {
    if (!this.up || !this.answers) return false;
    for (const each of this.#listening(inbox)) {
      this.#hand(each, message);
      return true;
    }
    return false;
  }

  #pull({ subject, reply, data }: WireMessage): void {
    if (!this.answers) return;
    const [stream = "", consumer = ""] = subject.slice(pullPrefix.length).split(".");
    const asked = JSON.parse(text(data)) as {
      batch: number;
      expires: number;
      idle_heartbeat: number;
    };
    try {
      this.jetstream.pull(stream, consumer, {
        reply,
        remaining: asked.batch,
        expiresMs: asked.expires / 1_000_000,
        heartbeatMs: asked.idle_heartbeat / 1_000_000,
      });
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      this.#deliver(statusMessage(reply, 503, "No Responders Available For Request"));
    }
  }

  #store(name: string, { subject, reply, data, headers }: WireMessage): void {
    const answer = (body: object): void => {
      if (reply === "") return;
      const json = new TextEncoder().encode(JSON.stringify(body));
      this.#deliver({
        subject: reply,
        reply: "",
        data: json,
        headers: undefined,
        status: 0,
        description: "",
      });
    };
    try {
      const stored = this.jetstream.store(this.jetstream.stream(name), subject, data, headers);
      answer({
        stream: name,
        seq: stored.seq,
        ...(stored.duplicate ? { duplicate: true } : {}),
      });
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      const { httpCode: code, code: err_code, message: description } = error;
      answer({ error: { code, err_code, description }, stream: name, seq: 0 });
    }
  }

  /** A client that hears nothing sends again, at once or after its 5 s. */
  #repeat(session: Session, message: WireMessage): void {
    if (session.link.repeat === 0) return;
    session.link.repeat -= 1;
    this.loop.schedule(this.random.between(0, 6_000), () => this.inject(message));
  }

  #remove(subscription: Subscription): void {
    this.#patterns.delete(subscription);
    const same = this.#literal.get(subscription.subject);
    if (!same?.delete(subscription) || same.size > 0) return;
    this.#literal.delete(subscription.subject);
  }
}

const text = (data: Uint8Array): string => new TextDecoder().decode(data);
