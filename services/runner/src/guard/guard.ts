/**
 * The guard of one runner incarnation. It owns the lifeline: it makes it, and cuts it when the runner's
 * pipe closes (the runner is gone) or when the deadline passes (the runner is frozen, or cannot renew
 * its lease). Then every process of every attempt is dead, and only then is anything said about it.
 * Knows no pipe, no signal and no file: those are ports.
 */
import type { Clock } from "@reveille/shared/runtime/clock";
import type { Logger } from "@reveille/shared/runtime/log";
import type { ContainmentWish, Lifeline } from "../containment/lifeline.js";
import type { ClaimNote, FromGuard, Hello, ToGuard } from "./guard-protocol.js";
import { sayLost } from "./last-words.js";
import type { LastWordsPorts } from "./last-words.js";

export interface GuardPorts extends LastWordsPorts {
  clock: Clock;
  /** The monotonic clock that runner and guard share. */
  machineNs: () => bigint;
  pid: number;
  tell: (message: FromGuard) => void;
  /** @throws Error when none can be made as wished. */
  makeLifeline: (wish: ContainmentWish, workDir: string, incarnation: string) => Promise<Lifeline>;
  /** Resolves when nothing below it is alive and nothing can start. */
  cut: (lifeline: Lifeline, incarnation: string) => Promise<void>;
  /** Ends this process. */
  exit: (code: number) => void;
  logger: (level?: string) => Logger;
}

export interface Guard {
  take(message: ToGuard): void;
  /** The runner's pipe has closed. Repeatable. */
  pipeClosed(): void;
}

/** How often the deadline is looked at: a hundredth of it. */
const lookEveryMs = 200;

export const createGuard = (ports: GuardPorts): Guard => new LifelineGuard(ports);

class LifelineGuard implements Guard {
  readonly #ports: GuardPorts;
  readonly #claims = new Map<string, ClaimNote>();
  #hello: Hello | null = null;
  #lifeline: Lifeline | null = null;
  #logger: Logger;
  #deadlineNs: bigint | null = null;
  #expired = false;
  #leaving = false;

  constructor(ports: GuardPorts) {
    this.#ports = ports;
    this.#logger = ports.logger();
    ports.clock.every(lookEveryMs, () => {
      if (this.#deadlineNs === null || this.#expired || this.#leaving) return;
      if (ports.machineNs() > this.#deadlineNs) this.#guarded(this.#expire());
    });
  }

  take(message: ToGuard): void {
    switch (message.type) {
      case "hello":
        return this.#guarded(this.#begin(message));
      case "claim":
        return void this.#claims.set(message.claimId, message);
      case "went": {
        const claim = this.#claims.get(message.claimId);
        if (claim) claim.ackSubject = null;
        return;
      }
      case "ran": {
        const claim = this.#claims.get(message.claimId);
        if (claim) claim.report = message.report;
        return;
      }
      case "end":
        return void this.#claims.delete(message.claimId);
      case "deadline":
        this.#deadlineNs = BigInt(message.atNs);
        return;
      case "ping":
        return this.#ports.tell({ type: "pong" });
      case "bye":
        return this.#guarded(this.#leave());
    }
  }

  pipeClosed(): void {
    if (!this.#leaving) this.#guarded(this.#runnerGone());
  }

  async #begin(message: Hello): Promise<void> {
    const { makeLifeline, tell, pid, logger } = this.#ports;
    this.#hello = message;
    this.#logger = logger(message.logLevel);
    try {
      this.#lifeline = await makeLifeline(
        message.containment,
        message.workDir,
        message.incarnation,
      );
      tell({ type: "ready", lifeline: this.#lifeline, pid });
    } catch (error) {
      tell({ type: "refused", reason: (error as Error).message });
    }
  }

  async #cut(): Promise<void> {
    if (this.#lifeline && this.#hello)
      await this.#ports.cut(this.#lifeline, this.#hello.incarnation);
  }

  async #expire(): Promise<void> {
    this.#expired = true;
    const lost = [...this.#claims.values()];
    this.#logger.warn(
      { claims: lost.length },
      "the deadline passed without a renewed lease: killing",
    );
    await this.#cut();
    this.#ports.tell({ type: "expired" });
    // A frozen runner cannot say it, and its agents wait.
    if (this.#hello) await sayLost(this.#ports, this.#hello, lost, "deadline", this.#logger);
  }

  async #runnerGone(): Promise<void> {
    this.#leaving = true;
    await this.#cut();
    const lost = [...this.#claims.values()];
    const results = lost.filter(({ report }) => report).length;
    this.#logger.warn({ claims: lost.length, results }, "the runner is gone");
    if (this.#hello) await sayLost(this.#ports, this.#hello, lost, "runner_gone", this.#logger);
    this.#ports.exit(0);
  }

  async #leave(): Promise<void> {
    this.#leaving = true;
    await this.#cut();
    this.#ports.exit(0);
  }

  /** What goes wrong here cannot be mended here; the runner notices that its guard is gone. */
  #guarded(work: Promise<void>): void {
    work.catch((error: unknown) => {
      this.#logger.fatal({ err: error }, "the guard failed");
      this.#ports.exit(1);
    });
  }
}
