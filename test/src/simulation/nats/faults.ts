// Owns what can go wrong between processes and the simulated server, and in the server: each a method that a world calls when its seed
// says so. Every fault ends by its counterpart; none ends by itself.
import type { SimProcess } from "../machine/process.js";
import type { StoreSnapshot } from "./jetstream.js";
import type { Router } from "./router.js";
import type { Direction, Link } from "./session.js";
import type { WireMessage } from "./wire.js";
import { emptyData } from "./wire.js";

/** Two unanswered pings, 10 s apart: a client notices a dead connection 20 to 30 s after its last sign of life. */
const noticed = { leastMs: 20_000, mostMs: 30_000 } as const;

export class Faults {
  readonly #router: Router;
  constructor(router: Router) {
    this.#router = router;
  }

  /** Nothing passes between a process and the server, one way or both; what is sent waits in the kernels. */
  partition(process: SimProcess, ways: Direction | "both" = "both"): void {
    const link = this.#router.link(process);
    if (ways !== "to-client") link.blocked["to-server"] = true;
    if (ways !== "to-server") link.blocked["to-client"] = true;
    this.#noticeLater(link);
  }
  heal(process: SimProcess): void {
    const link = this.#router.link(process);
    link.blocked["to-server"] = false;
    link.blocked["to-client"] = false;
    healed(link);
  }
  /** The connections of a process break now; what is on its way is lost. They come back by themselves. */
  cut(process: SimProcess): void {
    for (const session of this.#router.link(process).sessions) session.break();
  }
  /** The next things sent one way are lost, each with its connection: with `to-client` the server has done what was asked and nobody hears of it. */
  loseNext(process: SimProcess, direction: Direction, count = 1): void {
    this.#router.link(process).lose[direction] = count;
  }
  /** Every hop of a process takes so much longer; 0 ends it. */
  slow(process: SimProcess, extraMs: number): void {
    this.#router.link(process).extraDelayMs = extraMs;
  }
  /** The next stored publishes of a process come twice, the second up to six seconds later. */
  repeatNext(process: SimProcess, count = 1): void {
    this.#router.link(process).repeat = count;
  }

  /** The server dies; its store stays. */
  kill(): void {
    const router = this.#router;
    if (!router.up) return;
    router.up = false;
    router.frozen = false;
    for (const link of router.links.values()) healed(link);
    for (const session of router.clients.keys()) session.serverGone();
  }
  /** A killed server starts on what its store has: consumers that were in memory are gone. */
  start(store: StoreSnapshot = this.#router.jetstream.snapshot()): void {
    const router = this.#router;
    if (router.up) return;
    router.jetstream.load(store);
    router.up = true;
  }
  /** Connections stay open, nothing moves. */
  freeze(): void {
    this.#router.frozen = true;
    for (const link of this.#router.links.values()) this.#noticeLater(link);
  }
  thaw(): void {
    this.#router.frozen = false;
    for (const link of this.#router.links.values()) healed(link);
  }
  /** JetStream answers nobody, core NATS works: as with a store that was taken away, or a cluster without a leader. */
  stall(): void {
    this.#router.answers = false;
  }
  unstall(): void {
    this.#router.answers = true;
  }

  /** The server comes back with an empty store. */
  wipe(): void {
    this.kill();
    this.start({ streams: [] });
  }
  /** A copy of the store as it is now. */
  save(): StoreSnapshot {
    return this.#router.jetstream.snapshot();
  }
  /** The server comes back with an older copy of its store. */
  rollBack(saved: StoreSnapshot): void {
    this.kill();
    this.start(saved);
  }
  /** Removed by hand while everything runs; a bucket is the stream `KV_<name>`. */
  deleteStream(name: string): void {
    this.#router.jetstream.deleteStream(name);
  }
  /** The consumers of a stream that live in memory, readers that is, vanish; those that wait are told. */
  deleteReaders(stream: string): void {
    this.#router.jetstream.deleteConsumers(stream, ({ durable }) => !durable);
  }
  /** A durable consumer is deleted by hand. */
  deleteConsumer(stream: string, name: string): void {
    this.#router.jetstream.deleteConsumers(stream, (config) => config.name === name);
  }
  /** A stream takes in nothing more, or does again. */
  setFull(stream: string, full: boolean): void {
    const kept = this.#router.jetstream.peek(stream);
    if (kept) kept.full = full;
  }
  /** Probability that a read of a bucket shows the value before the last. */
  setStaleReads(probability: number): void {
    this.#router.staleReads = probability;
  }
  /** The server's wall clock is wrong by so much. */
  setWallOffset(ms: number): void {
    this.#router.jetstream.wallOffsetMs = ms;
  }
  /** Something comes from nowhere: garbage, an old message again. */
  inject(message: Pick<WireMessage, "subject"> & Partial<WireMessage>): void {
    this.#router.inject({
      reply: "",
      data: emptyData,
      headers: undefined,
      status: 0,
      description: "",
      ...message,
    });
  }

  #noticeLater(link: Link): void {
    const { clients, random } = this.#router;
    for (const session of link.sessions) {
      const client = clients.get(session);
      if (!client) continue;
      const { epoch } = link;
      link.process.later(random.between(noticed.leastMs, noticed.mostMs), () => {
        if (client.session === session && link.epoch === epoch) client.giveUp(random.chance(0.5));
      });
    }
  }
}

function healed(link: Link): void {
  if (link.stuck("to-server") && link.stuck("to-client")) return;
  link.epoch += 1;
  for (const session of link.sessions) session.healed();
}
