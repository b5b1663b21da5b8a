/**
 * Spare processes: shells that have joined a cgroup of their own below the incarnation's, know nothing
 * of any agent, and wait for their orders on standard input. After a quiet moment the kernel lets a
 * process into a cgroup only after about 19 ms (a grace period of RCU); whoever finds a spare does not
 * wait for it.
 *
 * A spare dies as every attempt does: with the incarnation's cgroup, which its guard cuts. It also ends
 * by itself when its runner does, because its standard input ends then.
 */
import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { accessSync, constants, mkdirSync } from "node:fs";
import type { Logger } from "@reveille/shared/runtime/log";
import { quoted, shellOrders } from "../core/shell-orders.js";
import type { StartSpec } from "../core/shell-orders.js";
import { codeOf, isPopulated, remove } from "./cgroup-files.js";

export interface Spare {
  /** Its cgroup. */
  readonly path: string;
  /** Tells it what to become. Once. */
  start(): ChildProcess;
}
export interface Spares {
  /** Those that wait in their cgroup now. */
  readonly count: number;
  /** One that can become `spec`; null when there is none, or a shell cannot be told so. */
  take(spec: StartSpec): Spare | null;
  /** Ends all, makes no more. Repeatable. */
  close(): void;
}

/** Says when it is in. Then it waits; what it reads next are its orders. */
const joining = (
  path: string,
): string => `echo 0 2>/dev/null >${quoted(`${path}/cgroup.procs`)} || exit 119
echo in
`;
/**
 * From a start to the making of the next spare: a program that only says something and ends (2-3 ms)
 * need not share the processor with it. Under load the pool is simply empty.
 */
const refillAfterMs = 10;
/** After one that came to nothing. */
const againAfterMs = 1_000;
/** A spare that has not joined by then (a thousand times the usual) is given up. */
const joinLimitMs = 20_000;

/** Keeps up to `max` spares below the cgroup at `parent`; 0: none. */
export function createSpares(parent: string, max: number, logger: Logger): Spares {
  const pool = new SparePool(parent, max, logger);
  pool.refill(0);
  return pool;
}

interface Waiting {
  path: string;
  child: ChildProcess;
}

class SparePool implements Spares {
  readonly #parent: string;
  readonly #max: number;
  readonly #logger: Logger;
  readonly #ready: Waiting[] = [];
  #making: Waiting | null = null;
  #made = 0;
  #closed = false;
  #timer: NodeJS.Timeout | null = null;

  constructor(parent: string, max: number, logger: Logger) {
    this.#parent = parent;
    this.#max = max;
    this.#logger = logger;
  }

  get count(): number {
    return this.#ready.length;
  }

  take(spec: StartSpec): Spare | null {
    const orders = this.#ready.length > 0 && isEnterable(spec.cwd) ? shellOrders(spec) : null;
    const one = orders === null ? null : this.#takeLiving();
    this.refill(refillAfterMs);
    if (!one) return null;
    const { path, child } = one;
    return {
      path,
      start: () => {
        child.stdin!.end(orders);
        return child;
      },
    };
  }

  /** Makes the next one soon, if one is missing: one at a time, because they wait for the same lock. */
  refill(afterMs: number): void {
    if (this.#closed || this.#timer || this.#making || this.#ready.length >= this.#max) return;
    this.#timer = setTimeout(() => {
      this.#timer = null;
      this.#make();
    }, afterMs);
  }

  close(): void {
    this.#closed = true;
    if (this.#timer) clearTimeout(this.#timer);
    for (const one of this.#ready.splice(0)) this.#discard(one);
    if (this.#making) this.#discard(this.#making);
    this.#making = null;
  }

  /** The oldest one that is still in its cgroup. */
  #takeLiving(): Waiting | null {
    for (let one = this.#ready.shift(); one; one = this.#ready.shift()) {
      const { path, child } = one;
      if (child.exitCode === null && child.signalCode === null && isPopulated(path)) return one;
      this.#discard(one);
    }
    return null;
  }

  #make(): void {
    const path = `${this.#parent}/spare.${(this.#made += 1)}`;
    try {
      mkdirSync(path);
    } catch (error) {
      // The lifeline was cut: this life is over.
      if (codeOf(error) === "ENOENT") return this.close();
      return this.#failed(path, error);
    }
    let one: Waiting;
    try {
      // No environment: what is known of a run comes with its orders.
      const child = spawn("/bin/sh", [], {
        cwd: "/",
        env: {},
        detached: true,
        stdio: ["pipe", "pipe", "pipe"],
      });
      one = { path, child };
    } catch (error) {
      this.#remove(path);
      return this.#failed(path, error);
    }
    this.#making = one;
    this.#watch(one);
  }

  #watch(one: Waiting): void {
    const { path, child } = one;
    const limit = setTimeout(() => child.kill("SIGKILL"), joinLimitMs);
    const lost = (why: unknown): void => {
      clearTimeout(limit);
      if (this.#forget(one)) {
        this.#remove(path);
        this.#failed(path, why);
      }
    };
    child.once("error", lost);
    child.once("exit", (code, signal) => lost(new Error(`it ended with ${signal ?? code}`)));
    // Nobody reads from it any more: its end says so.
    child.stdin!.on("error", () => undefined);
    child.stdin!.write(joining(path));
    child.stdout!.once("data", () => {
      clearTimeout(limit);
      child.stdout!.pause();
      if (this.#making !== one) return;
      this.#making = null;
      this.#ready.push(one);
      this.refill(refillAfterMs);
    });
  }

  /** True when it was waiting, or was to. */
  #forget(one: Waiting): boolean {
    const at = this.#ready.indexOf(one);
    if (at >= 0) this.#ready.splice(at, 1);
    const mine = at >= 0 || this.#making === one;
    if (this.#making === one) this.#making = null;
    return mine;
  }

  #discard({ path, child }: Waiting): void {
    child.once("exit", () => this.#remove(path));
    if (child.exitCode !== null || child.signalCode !== null) this.#remove(path);
    else child.kill("SIGKILL");
  }

  /** What cannot be removed now goes with the lifeline. */
  #remove(path: string): void {
    try {
      remove(path);
    } catch (error) {
      this.#logger.debug({ err: error, path }, "a spare's cgroup stays until the end");
    }
  }

  #failed(path: string, error: unknown): void {
    if (this.#closed) return;
    this.#logger.warn({ err: error, path }, "a spare process is lost; processes start without it");
    this.refill(againAfterMs);
  }
}

/** A shell would say it differently: what cannot be entered is left to the slower way. */
function isEnterable(folder: string): boolean {
  try {
    accessSync(folder, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
