/**
 * The runner's side of its guard: starts it, tells it of every claim before anything of it can run,
 * and notices when it is gone or answers no more. Knows nothing of NATS.
 */
import { spawn } from "node:child_process";
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
  const child = spawn(process.execPath, [entry], {
    // Its own session: what is sent to the runner's group must not end both.
    detached: true,
    stdio: ["pipe", "inherit", "inherit", "pipe"],
  });
  const input = child.stdin as Writable;
  const output = child.stdio[3] as Readable;
  let leaving = false;
  let over = false;
  let unanswered = 0;
  const gone = (why: string): void => {
    clearInterval(pinging);
    if (over || leaving) return;
    over = true;
    events.onGone(why);
  };
  const send = (message: ToGuard): void => {
    if (input.writable) input.write(`${JSON.stringify(message)}\n`);
  };
  input.on("error", (error: Error) => gone(`its pipe broke: ${error.message}`));
  output.on("error", (error: Error) => gone(`its pipe broke: ${error.message}`));
  const exited = new Promise<void>((resolve) => {
    child.once("error", (error) => {
      gone(`it could not be started: ${error.message}`);
      resolve();
    });
    child.once("exit", (code, signal) => {
      gone(`it ended with ${signal ?? code}`);
      resolve();
    });
  });
  const pinging = setInterval(() => {
    if (unanswered >= unansweredMax) return gone(`${unanswered} pings without an answer`);
    unanswered += 1;
    send({ type: "ping" });
  }, pingEveryMs);

  output.setEncoding("utf8");
  const lifeline = await new Promise<Lifeline>((resolve, reject) => {
    const limit = setTimeout(() => reject(new Error("the guard did not start")), startTimeoutMs);
    const settle = (): void => clearTimeout(limit);
    void exited.then(() => {
      settle();
      reject(new Error("the guard ended while it started"));
    });
    output.on(
      "data",
      lineReader((message: FromGuard) => {
        if (message.type === "pong") unanswered = 0;
        else if (message.type === "expired") events.onExpired();
        else {
          settle();
          if (message.type === "ready") resolve(message.lifeline);
          else reject(new Error(message.reason));
        }
      }),
    );
    send(hello);
  }).catch((error: unknown) => {
    leaving = true;
    clearInterval(pinging);
    child.kill("SIGKILL");
    throw error;
  });
  logger.debug({ pid: child.pid, lifeline }, "guard started");

  // Lines of one turn go out in one write; nothing of a claim runs before a later turn.
  let corked = false;
  const sendSoon = (message: ToGuard): void => {
    if (!corked) {
      corked = true;
      input.cork();
      process.nextTick(() => {
        corked = false;
        input.uncork();
      });
    }
    send(message);
  };
  return {
    pid: child.pid ?? 0,
    lifeline,
    claim: (note) => sendSoon({ type: "claim", ...note }),
    went: (claimId) => sendSoon({ type: "went", claimId }),
    end: (claimId) => sendSoon({ type: "end", claimId }),
    deadline: (atNs) => send({ type: "deadline", atNs: atNs.toString() }),
    bye: async () => {
      leaving = true;
      clearInterval(pinging);
      send({ type: "bye" });
      await exited;
    },
    kill: () => {
      leaving = true;
      clearInterval(pinging);
      child.kill("SIGKILL");
    },
  };
}
