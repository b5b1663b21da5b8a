// Owns the client's side of a simulated connection, as the shipped `Bus` on the real client behaves: it reconnects for ever, sends again
// what it subscribes to, drops what was published while it dialled in vain. Knows nothing of what is said.
import { brokerUnavailable } from "@reveille/shared/errors";
import type { Bus, BusMessage, BusState, BusSubscription } from "@reveille/shared/nats/bus";
import type { SimProcess } from "../machine/process.js";
import { NoResponders } from "./wire.js";
import type { Session } from "./session.js";
import type { WireMessage } from "./wire.js";

/** What a client asks of the server; each happens when it arrives there. */
export interface ServerSide {
  readonly version: string;
  /** Whether a dial would get through now. */
  reach(process: SimProcess): "open" | "refused" | "silent";
  open(client: SimClient): Session;
  subscribe(session: Session, sid: number, subject: string, queue: string | undefined): void;
  unsubscribe(session: Session, sid: number): void;
  publish(session: Session, message: WireMessage): void;
  /** How long a handshake takes, milliseconds. */
  handshakeMs(): number;
  /** Unique for the life of the server. */
  token(): string;
  /** False while JetStream does not answer. */
  readonly answers: boolean;
}
export interface ClientOptions {
  inboxPrefix?: string;
  onError?: (error: Error) => void;
}

interface ClientSubscription {
  subject: string;
  queue: string | undefined;
  handler: (message: WireMessage) => void;
}

/** As `connectBus` sets it: between dials, and how long one may take. */
const dial = { pauseMs: 250, timeoutMs: 10_000, refusedMs: 1 } as const;
/** The client's own default for an answer of the JetStream API. */
const apiTimeoutMs = 5_000;
/** `max_payload` of the server's shipped configuration. */
const payloadBytesMax = 1024 * 1024;

export class SimClient implements Bus {
  readonly process: SimProcess;
  readonly serverVersion: string;
  readonly #server: ServerSide;
  readonly #options: ClientOptions;
  readonly #subscriptions = new Map<number, ClientSubscription>();
  readonly #listeners = new Set<(state: BusState) => void>();
  #outbound: ((session: Session) => void)[] = [];
  #flushes = new Set<(error: Error) => void>();
  #session: Session | null = null;
  #state: BusState = "disconnected";
  #dialledAtMs = -Infinity;
  #sids = 0;

  constructor(server: ServerSide, process: SimProcess, options: ClientOptions) {
    this.#server = server;
    this.#options = options;
    this.process = process;
    this.serverVersion = server.version;
    process.onDeath(() => {
      this.#state = "closed";
      this.#session?.clientGone();
    });
    if (server.reach(process) === "open") {
      this.#session = server.open(this);
      this.#state = "connected";
      this.#dialledAtMs = process.clock.monotonicMs();
    } else this.#redial();
  }

  get connected(): boolean {
    return this.#state === "connected";
  }

  publish(
    subject: string,
    data: Uint8Array,
    headers?: Record<string, string>,
    reply?: string,
  ): void {
    if (this.#state === "closed") return;
    if (data.length > payloadBytesMax)
      throw new Error("invalid argument: 'payload' max_payload size exceeded");
    const message = {
      subject,
      reply: reply ?? "",
      data,
      headers,
      status: 0,
      description: "",
    };
    this.#send((session) => this.#server.publish(session, message));
  }

  subscribe(
    subject: string,
    handler: (message: BusMessage) => void,
    options: { queue?: string; onDenied?: (error: Error) => void } = {},
  ): BusSubscription {
    const sid = this.listen(subject, (message) => handler(asBusMessage(message)), options.queue);
    return {
      unsubscribe: () => this.unlisten(sid),
      drain: async () => {
        const session = this.#session;
        session?.up(() => this.#server.unsubscribe(session, sid));
        await this.flush().catch(() => undefined);
        this.#subscriptions.delete(sid);
      },
    };
  }

  /** A subscription that sees statuses too; its number. */
  listen(subject: string, handler: (message: WireMessage) => void, queue?: string): number {
    const sid = ++this.#sids;
    this.#subscriptions.set(sid, { subject, queue, handler });
    this.#session?.up(this.#subscribing(this.#session, sid));
    return sid;
  }
  unlisten(sid: number): void {
    if (!this.#subscriptions.delete(sid)) return;
    const session = this.#session;
    session?.up(() => this.#server.unsubscribe(session, sid));
  }

  async request(subject: string, data: Uint8Array, timeoutMs: number): Promise<BusMessage> {
    try {
      return await this.#ask(subject, data, timeoutMs);
    } catch (error) {
      throw brokerUnavailable(`no answer on ${subject} within ${timeoutMs} ms`, error);
    }
  }

  createInbox(): string {
    return `${this.#options.inboxPrefix ?? "_INBOX"}.${this.#server.token()}`;
  }

  flush(): Promise<void> {
    if (this.#state === "closed") return Promise.reject(new Error("closed connection"));
    return new Promise((resolve, reject) => {
      this.#flushes.add(reject);
      const pong = (): void => {
        this.#flushes.delete(reject);
        resolve();
      };
      this.#send((session) => session.down(pong));
    });
  }

  onState(listener: (state: BusState) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  async close(): Promise<void> {
    if (this.#state === "closed") return;
    this.#tell("closed");
    this.#session?.clientGone();
    this.#session = null;
    this.#dropOutbound("closed connection");
    this.#subscriptions.clear();
  }

  /**
   * A request of the JetStream API: `run` happens in the server; what it returns or throws comes back, if it comes back.
   * @throws Error "timeout" after the client's own 5 s, whatever has happened in the server by then.
   */
  call<T>(run: () => T): Promise<T> {
    if (this.#state === "closed") return Promise.reject(new Error("closed connection"));
    return new Promise<T>((resolve, reject) => {
      const timer = this.process.clock.after(apiTimeoutMs, () => reject(new Error("timeout")));
      this.#send((session) => {
        if (!this.#server.answers) return;
        const settle = outcome(run, resolve, reject);
        session.down(() => {
          timer.cancel();
          settle();
        });
      });
    });
  }

  /** A message came on the current connection. */
  received(sid: number, message: WireMessage): void {
    const { onError } = this.#options;
    try {
      this.#subscriptions.get(sid)?.handler(message);
    } catch (error) {
      if (!onError) throw error;
      onError(error as Error);
    }
  }
  /** The connection ended. */
  ended(session: Session): void {
    if (session !== this.#session || this.#state === "closed") return;
    this.#session = null;
    this.#tell("disconnected");
    this.#redial();
  }
  /** No answer to pings for 20 to 30 s: the client gives the connection up and dials anew. */
  giveUp(late: boolean): void {
    this.#session?.givenUp(late);
  }
  get session(): Session | null {
    return this.#session;
  }

  #send(frame: (session: Session) => void): void {
    const session = this.#session;
    if (session) session.up(() => frame(session));
    else this.#outbound.push(frame);
  }

  #subscribing(session: Session, sid: number): () => void {
    const { subject, queue } = this.#subscriptions.get(sid)!;
    return () => this.#server.subscribe(session, sid, subject, queue);
  }

  #redial(): void {
    const { clock } = this.process;
    const pauseMs = Math.max(0, this.#dialledAtMs + dial.pauseMs - clock.monotonicMs());
    clock.after(pauseMs, () => this.#dial());
  }

  #dial(): void {
    if (this.#state === "closed") return;
    const { clock } = this.process;
    this.#dialledAtMs = clock.monotonicMs();
    // Each dial begins with an empty buffer: what was published before it is lost.
    this.#dropOutbound("connection disconnected");
    const reached = this.#server.reach(this.process);
    if (reached === "open") return void clock.after(this.#server.handshakeMs(), () => this.#open());
    clock.after(reached === "refused" ? dial.refusedMs : dial.timeoutMs, () => this.#redial());
  }

  #open(): void {
    if (this.#state === "closed") return;
    if (this.#server.reach(this.process) !== "open") return this.#redial();
    const session = this.#server.open(this);
    this.#session = session;
    for (const sid of this.#subscriptions.keys()) session.up(this.#subscribing(session, sid));
    for (const frame of this.#outbound.splice(0)) session.up(() => frame(session));
    this.#tell("connected");
  }

  #dropOutbound(why: string): void {
    this.#outbound = [];
    for (const reject of this.#flushes) reject(new Error(why));
    this.#flushes.clear();
  }

  #tell(state: BusState): void {
    this.#state = state;
    for (const listener of this.#listeners) listener(state);
  }

  #ask(subject: string, data: Uint8Array, timeoutMs: number): Promise<BusMessage> {
    if (this.#state === "closed") return Promise.reject(new Error("closed connection"));
    const inbox = this.createInbox();
    return new Promise((resolve, reject) => {
      const timer = this.process.clock.after(timeoutMs, () => {
        this.unlisten(sid);
        reject(new Error("timeout"));
      });
      const sid = this.listen(inbox, (message) => {
        timer.cancel();
        this.unlisten(sid);
        if (message.status === 503 && message.data.length === 0) reject(new NoResponders());
        else resolve(asBusMessage(message));
      });
      this.publish(subject, data, undefined, inbox);
    });
  }
}

/** Runs it now and tells later. */
function outcome<T>(
  run: () => T,
  resolve: (value: T) => void,
  reject: (error: Error) => void,
): () => void {
  try {
    const value = run();
    return () => resolve(value);
  } catch (error) {
    return () => reject(error as Error);
  }
}

const asBusMessage = (message: WireMessage): BusMessage => ({
  subject: message.subject,
  data: message.data,
  reply: message.reply,
  header: (name) => message.headers?.[name] || statusHeader(message, name),
});

function statusHeader({ status, description }: WireMessage, name: string): string | undefined {
  if (status === 0) return undefined;
  if (name === "Status") return String(status);
  return name === "Description" ? description : undefined;
}
