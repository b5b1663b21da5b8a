/**
 * The runner's side of its guard: starts it, tells it of every claim before anything of it can run,
 * and notices when it is gone or answers no more. Knows nothing of NATS.
 */
import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import type { Readable, Writable } from "node:stream";
import { fileURLToPath } from "node:url";
import type { Logger } from "@reveille/shared/runtime/log";
import type { Lifeline } from "../containment/lifeline.js";
import { lineReader } from "./guard-protocol.js";
import type { ClaimNote, FromGuard, Hello, ToGuard } from "./guard-protocol.js";

export interface GuardLink {
  readonly pid: number;
  readonly lifeline: Lifeline;
  claim(note: ClaimNote): void;
  went(claimId: string): void;
  end(claimId: string): void;
  deadline(atNs: bigint): void;
  /** Everything is reported: the guard cuts the lifeline and ends. Resolves when it has. */
  bye(): Promise<void>;
  /** Ends a guard that is no use any more. */
  kill(): void;
}
export interface GuardEvents {
  /** It killed every tree because the deadline passed. */
  onExpired: () => void;
  /** It ended, or does not answer. */
  onGone: (why: string) => void;
}

const pingEveryMs = 1_000;
/**
 * Pings without an answer before a guard counts as gone. Counted, not timed: a runner that was frozen
 * must first read what had arrived. 10: a machine this busy is in trouble anyway, and half the deadline.
 */
const unansweredMax = 10;
const startTimeoutMs = 20_000;

const entry = fileURLToPath(new URL("./guard-main.js", import.meta.url));

/** @throws Error when the guard cannot start, or refuses (no containment as asked for). */
export async function startGuard(
  hello: Hello,
  events: GuardEvents,
  logger: Logger,
): Promise<GuardLink> {
  const guard = new GuardProcess(events);
  try {
    await guard.begin(hello);
  } catch (error) {
    guard.kill();
    throw error;
  }
  logger.debug({ guardPid: guard.pid, lifeline: guard.lifeline }, "guard started");
  return guard;
}

class GuardProcess implements GuardLink {
  lifeline: Lifeline = { kind: "best_effort", path: "" };
  readonly #events: GuardEvents;
  readonly #child: ChildProcess;
  readonly #input: Writable;
  readonly #output: Readable;
  readonly #exited: Promise<void>;
  readonly #pinging: NodeJS.Timeout;
  /** From here on its end is no surprise. */
  #leaving = false;
  #gone = false;
  #unanswered = 0;
  #corked = false;

  constructor(events: GuardEvents) {
    this.#events = events;
    this.#child = spawn(process.execPath, [entry], {
      // Its own session: what is sent to the runner's group must not end both.
      detached: true,
      stdio: ["pipe", "inherit", "inherit", "pipe"],
    });
    this.#input = this.#child.stdin as Writable;
    this.#output = this.#child.stdio[3] as Readable;
    for (const pipe of [this.#input, this.#output])
      pipe.on("error", (error: Error) => this.#lost(`its pipe broke: ${error.message}`));
    this.#exited = new Promise<void>((resolve) => {
      this.#child.once("error", (error) => {
        this.#lost(`it could not be started: ${error.message}`);
        resolve();
      });
      this.#child.once("exit", (code, signal) => {
        this.#lost(`it ended with ${signal ?? code}`);
        resolve();
      });
    });
    this.#pinging = setInterval(() => this.#ping(), pingEveryMs);
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** Resolves when the lifeline is there. */
  async begin(hello: Hello): Promise<void> {
    const started = new Promise<void>((resolve, reject) => {
      const limit = setTimeout(() => reject(new Error("the guard did not start")), startTimeoutMs);
      void this.#exited.then(() => {
        clearTimeout(limit);
        reject(new Error("the guard ended while it started"));
      });
      const take = (message: FromGuard): void => {
        if (message.type === "pong") this.#unanswered = 0;
        else if (message.type === "expired") this.#events.onExpired();
        else {
          clearTimeout(limit);
          if (message.type === "refused") return reject(new Error(message.reason));
          this.lifeline = message.lifeline;
          resolve();
        }
      };
      this.#output.setEncoding("utf8");
      this.#output.on("data", lineReader(take));
    });
    this.#send(hello);
    await started;
  }

  claim(note: ClaimNote): void {
    this.#sendSoon({ type: "claim", ...note });
  }
  went(claimId: string): void {
    this.#sendSoon({ type: "went", claimId });
  }
  end(claimId: string): void {
    this.#sendSoon({ type: "end", claimId });
  }
  deadline(atNs: bigint): void {
    this.#send({ type: "deadline", atNs: atNs.toString() });
  }

  async bye(): Promise<void> {
    this.#leave();
    this.#send({ type: "bye" });
    await this.#exited;
  }

  kill(): void {
    this.#leave();
    this.#child.kill("SIGKILL");
  }

  #leave(): void {
    this.#leaving = true;
    clearInterval(this.#pinging);
  }

  #lost(why: string): void {
    clearInterval(this.#pinging);
    if (this.#gone || this.#leaving) return;
    this.#gone = true;
    this.#events.onGone(why);
  }

  #ping(): void {
    if (this.#unanswered >= unansweredMax)
      return this.#lost(`${this.#unanswered} pings without an answer`);
    this.#unanswered += 1;
    this.#send({ type: "ping" });
  }

  #send(message: ToGuard): void {
    if (this.#input.writable) this.#input.write(`${JSON.stringify(message)}\n`);
  }

  /** Lines of one turn go out in one write; nothing of a claim runs before a later turn. */
  #sendSoon(message: ToGuard): void {
    if (!this.#corked) {
      this.#corked = true;
      this.#input.cork();
      process.nextTick(() => {
        this.#corked = false;
        this.#input.uncork();
      });
    }
    this.#send(message);
  }
}
