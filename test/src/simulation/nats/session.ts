// Owns one simulated TCP connection: two lanes in which everything arrives in order, late, and never in part: what is lost takes the
// connection with it. And the link of a process, on which all its connections run and on which faults are set.
import type { Loop } from "../machine/loop.js";
import type { SimProcess } from "../machine/process.js";
import type { WireMessage } from "./wire.js";

export type Direction = "to-server" | "to-client";

/** Between one process and the server. */
export class Link {
  readonly process: SimProcess;
  readonly #server: { readonly frozen: boolean };
  /** Nothing gets through; TCP keeps it until it does, or until somebody gives up. */
  readonly blocked = { "to-server": false, "to-client": false };
  /** The next so many things on this way are lost, and with each the connection. */
  readonly lose = { "to-server": 0, "to-client": 0 };
  /** Added to every delay, milliseconds. */
  extraDelayMs = 0;
  /** The next so many stored publishes are sent twice, as by a client that heard no answer. */
  repeat = 0;
  /** Another one after each time that something passes again. */
  epoch = 0;
  readonly sessions = new Set<Session>();
  constructor(process: SimProcess, server: { readonly frozen: boolean }) {
    this.process = process;
    this.#server = server;
  }
  stuck(direction: Direction): boolean {
    return this.#server.frozen || this.blocked[direction];
  }
}

export interface SessionEnds {
  /** The server's side ended: its subscriptions go. */
  serverEnd(session: Session): void;
  /** The client's side ended. */
  clientEnd(session: Session): void;
}
export interface Subscription {
  readonly session: Session;
  readonly sid: number;
  readonly subject: string;
  readonly queue: string | undefined;
}

export class Session {
  readonly link: Link;
  /** What the server knows of it. */
  readonly subscriptions = new Map<number, Subscription>();
  /** What the client does with a message for a subscription. */
  readonly receive: (sid: number, message: WireMessage) => void;
  readonly #up: Lane;
  readonly #down: Lane;
  readonly #ends: SessionEnds;
  readonly #loop: Loop;
  readonly #delayMs: () => number;
  #serverSide = true;
  #clientSide = true;

  constructor(
    loop: Loop,
    link: Link,
    ends: SessionEnds,
    delayMs: () => number,
    receive: (sid: number, message: WireMessage) => void,
  ) {
    this.link = link;
    this.receive = receive;
    this.#ends = ends;
    this.#loop = loop;
    this.#delayMs = delayMs;
    const delay = (): number => delayMs() + link.extraDelayMs;
    this.#up = new Lane(loop, link, "to-server", delay, () => this.break());
    this.#down = new Lane(loop, link, "to-client", delay, () => this.break());
    link.sessions.add(this);
  }

  /** Something for the server. */
  up(call: () => void): void {
    if (this.#clientSide) this.#up.push(() => (this.#serverSide ? call() : undefined));
  }
  /** Something for the client; code hears of it through its process. */
  down(call: () => void): void {
    if (this.#serverSide) this.#down.push(() => this.link.process.enter(call));
  }

  /** Nothing goes any more, what was on its way is lost; each end learns it a little later, and sends into the void until then. */
  break(): void {
    this.#up.close();
    this.#down.close();
    this.#loop.schedule(this.#delayMs(), () => this.#endServer());
    this.#loop.schedule(this.#delayMs(), () =>
      this.#endClient(() => this.link.process.enter(() => this.#ends.clientEnd(this))),
    );
  }
  /** The server went away: what it had sent arrives, then the end. */
  serverGone(): void {
    this.#up.close();
    this.#endServer();
    this.#down.push(() =>
      this.#endClient(() => this.link.process.enter(() => this.#ends.clientEnd(this))),
    );
  }
  /** The process died or closed it: what it had sent arrives, then the end. */
  clientGone(): void {
    this.#down.close();
    this.#endClient(() => undefined);
    this.#up.push(() => this.#endServer());
  }
  /**
   * The client heard nothing for too long and closed it. What it had sent may still come, long after it has connected anew: the kernel
   * goes on with what was handed to it (`late`).
   */
  givenUp(late: boolean): void {
    this.#down.close();
    if (!late) this.#up.forget();
    this.#endClient(() => this.#ends.clientEnd(this));
    this.#up.push(() => this.#endServer());
  }
  /** What was held back is on its way again. */
  healed(): void {
    this.#up.healed();
    this.#down.healed();
  }

  #endServer(): void {
    if (!this.#serverSide) return;
    this.#serverSide = false;
    this.#ends.serverEnd(this);
    if (!this.#clientSide) this.link.sessions.delete(this);
  }
  #endClient(tell: () => void): void {
    if (!this.#clientSide) return;
    this.#clientSide = false;
    if (!this.#serverSide) this.link.sessions.delete(this);
    tell();
  }
}

/** One way of a connection. */
class Lane {
  readonly #loop: Loop;
  readonly #link: Link;
  readonly #direction: Direction;
  readonly #delayMs: () => number;
  readonly #broken: () => void;
  /** What waits until the way is free; by the order in which it was sent, because some of it was on its way already. */
  #held: { order: number; call: () => void }[] = [];
  #order = 0;
  /** What leaves in one step of the loop arrives in one, as a segment of TCP does. */
  #segment: { step: number; calls: { order: number; call: () => void }[] } | null = null;
  #lastMs = 0;
  #closed = false;

  constructor(
    loop: Loop,
    link: Link,
    direction: Direction,
    delayMs: () => number,
    broken: () => void,
  ) {
    this.#loop = loop;
    this.#link = link;
    this.#direction = direction;
    this.#delayMs = delayMs;
    this.#broken = broken;
  }

  push(call: () => void): void {
    if (this.#closed) return;
    if (this.#link.lose[this.#direction] > 0) {
      this.#link.lose[this.#direction] -= 1;
      this.#closed = true;
      this.#loop.schedule(this.#delayMs(), this.#broken);
      return;
    }
    const sent = { order: this.#order++, call };
    if (this.#link.stuck(this.#direction) || this.#held.length > 0) {
      this.#held.push(sent);
      return;
    }
    const segment = this.#segment;
    if (segment && segment.step === this.#loop.steps) segment.calls.push(sent);
    else this.#send([sent]);
  }
  healed(): void {
    if (this.#link.stuck(this.#direction) || this.#held.length === 0) return;
    this.#send(this.#held.splice(0).sort((a, b) => a.order - b.order));
  }
  /** Drops what was held back. */
  forget(): void {
    this.#held = [];
  }
  close(): void {
    this.#closed = true;
    this.#held = [];
  }

  #send(calls: { order: number; call: () => void }[]): void {
    const segment = { step: this.#loop.steps, calls };
    this.#segment = segment;
    this.#lastMs = Math.max(this.#lastMs, this.#loop.nowMs + this.#delayMs());
    this.#loop.schedule(this.#lastMs - this.#loop.nowMs, () => {
      if (this.#segment === segment) this.#segment = null;
      if (this.#closed) return;
      if (this.#link.stuck(this.#direction)) return void this.#held.push(...calls);
      for (const { call } of calls) if (!this.#closed) call();
    });
  }
}
