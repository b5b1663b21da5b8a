// Owns how the faults of a scenario are done to its fleet, and how each is undone. Chooses nothing: what, whom and when is in the scenario.
import { simulationStartMs } from "../machine/loop.js";
import type { SimProcess } from "../machine/process.js";
import type { Random } from "../machine/random.js";
import type { StoreSnapshot } from "../nats/jetstream.js";
import type { SqlFault, SqlFaults } from "../store/sql-connection.js";
import type { ActorHost } from "./actor-host.js";
import type { Ground } from "./ground.js";
import type { Publisher } from "./publisher.js";
import type { Loss } from "./rest.js";
import type { RunnerPlace } from "./runner-place.js";
import type { BatchStatement, Fault, Target } from "./scenario-faults.js";

export interface Fleet {
  hosts: readonly ActorHost[];
  runners: readonly RunnerPlace[];
  publishers: readonly Publisher[];
}

type FaultAt = Extract<Fault, { statement: BatchStatement }>;
const statements: Readonly<Record<BatchStatement, ReadonlySet<string>>> = {
  read: new Set(["load_agents", "batch_verdicts", "batch_issues", "batch_sessions"]),
  commit: new Set(["commit_batch"]),
};

/** Copies of the server's store are taken so often while one of them may be gone back to, ms. */
const snapshotEveryMs = 100;

export class FaultInjection {
  /** When JetStream lost what it had acknowledged. */
  readonly losses: Loss[] = [];
  readonly #ground: Ground;
  readonly #fleet: Fleet;
  readonly #snapshots: { atMs: number; store: StoreSnapshot }[] = [];
  readonly #sql: StatementFaults;
  /** Faults that are at work. */
  #active = 0;
  #calmSinceMs = 0;

  constructor(ground: Ground, fleet: Fleet, sql: StatementFaults) {
    this.#ground = ground;
    this.#fleet = fleet;
    this.#sql = sql;
  }

  /** Since when no fault is at work, simulated ms; Infinity: one is. */
  get calmSinceMs(): number {
    return this.#active > 0 ? Infinity : this.#calmSinceMs;
  }

  /** Puts every fault of the scenario on the loop. */
  schedule(): void {
    const { loop, scenario, trace, nats } = this.#ground;
    for (const fault of scenario.faults)
      loop.schedule(fault.atMs, () => {
        trace.note(loop.nowMs, "fault", fault.kind, JSON.stringify(fault));
        this.#active += 1;
        const undo = this.#do(fault);
        loop.schedule(fault.forMs, () => {
          trace.note(loop.nowMs, "fault", `${fault.kind} ends`);
          undo();
          this.#active -= 1;
          this.#calmSinceMs = loop.nowMs;
        });
      });
    const last = Math.max(
      0,
      ...scenario.faults.filter(({ kind }) => kind === "nats-rolled-back").map(({ atMs }) => atMs),
    );
    for (let atMs = snapshotEveryMs; atMs < last; atMs += snapshotEveryMs)
      loop.schedule(atMs, () =>
        this.#snapshots.push({ atMs: loop.nowMs, store: nats.faults.save() }),
      );
  }

  #do(fault: Fault): () => void {
    const { nats, names, loop } = this.#ground;
    const { faults } = nats;
    const nothing = (): void => undefined;
    switch (fault.kind) {
      case "kill":
        return this.#end(fault.target, (place) => place.kill());
      case "stop":
        return this.#end(fault.target, (place) => place.stop());
      case "freeze":
        return this.#with(fault.target, (process) => {
          process.freeze();
          return () => process.thaw();
        });
      case "kill-at": {
        const place = this.#fleet.hosts[fault.target.at]!;
        return this.#at(
          fault,
          () => place.kill(),
          () => (place.process ? undefined : place.start()),
        );
      }
      case "freeze-at":
        return this.#freezeAt(fault);
      case "cut":
        return this.#with(fault.target, (process) => {
          faults.partition(process);
          return () => faults.heal(process);
        });
      case "slow":
        return this.#slow(fault.hopMaxMs);
      case "reset":
        return this.#with(fault.target, (process) => (faults.cut(process), nothing));
      case "lost":
        return this.#with(
          fault.target,
          (process) => (faults.loseNext(process, fault.way, fault.count), nothing),
        );
      case "nats-down":
        faults.kill();
        return () => faults.start();
      case "nats-frozen":
        faults.freeze();
        return () => faults.thaw();
      case "nats-wiped":
        this.#lost(0);
        faults.kill();
        return () => faults.start({ streams: [] });
      case "nats-rolled-back": {
        const back = this.#snapshots.findLast(({ atMs }) => atMs <= loop.nowMs - fault.backMs);
        if (!back) return nothing;
        this.#lost(back.atMs);
        faults.kill();
        return () => faults.start(back.store);
      }
      case "bucket-wiped":
        faults.deleteStream(
          `KV_${fault.bucket === "issue-locks" ? names.issueLocks : names.runnerLeases}`,
        );
        return nothing;
      case "readers-lost":
        faults.deleteReaders(names.mailbox);
        return nothing;
      case "stale-reads":
        faults.setStaleReads(fault.share);
        return () => faults.setStaleReads(0);
      case "store-away":
        this.#sql.away = true;
        return () => (this.#sql.away = false);
      case "answers-lost":
        return this.#with(fault.target, ({ name }) => {
          this.#sql.lost.set(name, fault);
          return () => this.#sql.lost.delete(name);
        });
      case "wrong-clock":
        return this.#with(fault.target, (process) => {
          process.wallOffsetMs = fault.byMs;
          return () => (process.wallOffsetMs = 0);
        });
      case "duplicates":
        for (const publisher of this.#fleet.publishers) publisher.twice = fault.share;
        for (const process of this.#processes()) faults.repeatNext(process, 3);
        return () => {
          for (const publisher of this.#fleet.publishers) publisher.twice = 0;
        };
    }
  }

  /** Arms the store: once, when it carries out such a statement of this process. */
  #at({ target, statement }: FaultAt, act: () => void, undo: () => void): () => void {
    const { witness, trace, loop } = this.#ground;
    const name = this.#processOf(target)?.name;
    if (name === undefined) return () => undefined;
    const armed = (who: string, executed: string): void => {
      if (who !== name || !statements[statement].has(executed)) return;
      witness.onStatement.delete(armed);
      trace.note(loop.nowMs, "fault", `strikes ${who} at`, executed);
      act();
    };
    witness.onStatement.add(armed);
    return () => {
      witness.onStatement.delete(armed);
      undo();
    };
  }

  /** It wakes up among the writes of whoever took over from it. */
  #freezeAt(fault: Extract<Fault, { kind: "freeze-at" }>): () => void {
    const { witness, loop } = this.#ground;
    const process = this.#processOf(fault.target);
    const taken = (who: string, executed: string): void => {
      if (executed !== "take_partitions" || who === process?.name || process?.state !== "frozen")
        return;
      witness.onStatement.delete(taken);
      loop.schedule(fault.thawAfterMs, () => process.thaw());
    };
    witness.onStatement.add(taken);
    return this.#at(
      fault,
      () => process?.freeze(),
      () => {
        witness.onStatement.delete(taken);
        process?.thaw();
      },
    );
  }

  /** What JetStream has acknowledged since `fromMs` is gone. */
  #lost(fromMs: number): void {
    const { loop, names, nats } = this.#ground;
    const fromNs = BigInt(Math.floor(simulationStartMs + fromMs)) * 1_000_000n;
    const lost = nats.jetstream
      .peek(names.mailbox)
      ?.messages.filter(({ timestampNs }) => timestampNs >= fromNs);
    const seqs = new Set(lost?.map(({ seq }) => seq));
    this.losses.push({ fromMs, toMs: loop.nowMs, seqs });
    this.#ground.witness.orderIsBroken = true;
  }

  #end(target: Target, how: (place: { kill(): void; stop(): void }) => void): () => void {
    const { hosts, runners } = this.#fleet;
    if (target.kind === "guard") {
      runners[target.at]?.killGuard();
      return () => undefined;
    }
    const place = target.kind === "host" ? hosts[target.at] : runners[target.at];
    if (!place) return () => undefined;
    how(place);
    return () => (place.process === null ? place.start() : undefined);
  }

  #with(target: Target, work: (process: SimProcess) => () => void): () => void {
    const process = this.#processOf(target);
    return process ? work(process) : () => undefined;
  }

  #processOf({ kind, at }: Target): SimProcess | null {
    const { hosts, runners, publishers } = this.#fleet;
    switch (kind) {
      case "host":
        return hosts[at]?.process ?? null;
      case "runner":
        return runners[at]?.process ?? null;
      case "guard":
        return runners[at]?.guard ?? null;
      case "publisher":
        return publishers[at]?.process ?? null;
    }
  }

  #processes(): SimProcess[] {
    const { hosts, runners } = this.#fleet;
    return [...hosts, ...runners].flatMap(({ process }) => (process ? [process] : []));
  }

  #slow(extraMs: number): () => void {
    const slowed = this.#processes();
    const { nats, random } = this.#ground;
    for (const process of slowed) nats.faults.slow(process, random.below(extraMs));
    return () => {
      for (const process of slowed) nats.faults.slow(process, 0);
    };
  }
}

const commits: ReadonlySet<string> = new Set(["commit_batch", "was_committed"]);

/** What befalls statements, as the scenario wants it now. */
export class StatementFaults implements SqlFaults {
  away = false;
  /** Whose answers are lost, by process. */
  readonly lost = new Map<string, { share: number; commitsAlone: boolean }>();
  readonly #random: Random;
  readonly #hopMaxMs: number;

  constructor(random: Random, hopMaxMs: number) {
    this.#random = random;
    this.#hopMaxMs = hopMaxMs;
  }

  next(process: string, statement: string): SqlFault | null {
    if (this.away) return { kind: "unreachable" };
    const lost = this.lost.get(process);
    if (!lost || (lost.commitsAlone && !commits.has(statement))) return null;
    if (!this.#random.chance(lost.share)) return null;
    return { kind: this.#random.chance(0.7) ? "lost-after" : "lost-before" };
  }
  delayMs(): number {
    return 0.1 + (this.#random.below(1_000) / 1_000) * this.#hopMaxMs;
  }
}
