/**
 * The guard of one runner incarnation, a process of its own. It owns the lifeline: it makes it, and
 * cuts it when the runner's pipe closes (the runner is gone) or when the deadline passes (the runner is
 * frozen, or cannot renew its lease). Then every process of every attempt is dead, and only then is
 * anything said about it.
 *
 * It outlives its runner's signals: a terminal's Ctrl-C and a supervisor's SIGTERM reach both, and the
 * runner drains while its guard still stands. SIGKILL of both leaves the trees to the next runner's
 * sweep; the lease has ended by then.
 */
import { createWriteStream } from "node:fs";
import { createLogger } from "@reveille/shared/runtime/log";
import type { Logger } from "@reveille/shared/runtime/log";
import { cut, makeOwnLifeline } from "../containment/lifeline.js";
import type { Lifeline } from "../containment/lifeline.js";
import { lineReader } from "./guard-protocol.js";
import type { ClaimNote, FromGuard, Hello, ToGuard } from "./guard-protocol.js";
import { sayLost } from "./last-words.js";

/** How often the deadline is looked at: a hundredth of it. */
const lookEveryMs = 200;

const toRunner = createWriteStream("", { fd: 3 });
// The runner is gone: its other pipe says so too, and that is where it is handled.
toRunner.on("error", () => undefined);
const tell = (message: FromGuard): void => void toRunner.write(`${JSON.stringify(message)}\n`);

for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => undefined);

let hello: Hello | null = null;
let lifeline: Lifeline | null = null;
let logger: Logger = createLogger("runner-guard");
let deadlineNs: bigint | null = null;
let expired = false;
let leaving = false;
const claims = new Map<string, ClaimNote>();

async function begin(message: Hello): Promise<void> {
  hello = message;
  logger = createLogger("runner-guard", message.logLevel);
  try {
    lifeline = await makeOwnLifeline(message.containment, message.workDir, message.incarnation);
    tell({ type: "ready", lifeline, pid: process.pid });
  } catch (error) {
    tell({ type: "refused", reason: (error as Error).message });
  }
}

async function cutNow(): Promise<void> {
  if (lifeline && hello) await cut(lifeline, hello.incarnation);
}

async function expire(): Promise<void> {
  expired = true;
  const lost = [...claims.values()];
  logger.warn({ claims: lost.length }, "the deadline passed without a renewed lease: killing");
  await cutNow();
  tell({ type: "expired" });
  // A frozen runner cannot say it, and its agents wait.
  if (hello) await sayLost(hello, lost, "deadline", logger);
}

async function runnerGone(): Promise<void> {
  leaving = true;
  await cutNow();
  const lost = [...claims.values()];
  logger.warn({ claims: lost.length }, "the runner is gone");
  if (hello) await sayLost(hello, lost, "runner_gone", logger);
  process.exit(0);
}

async function leave(): Promise<void> {
  leaving = true;
  await cutNow();
  process.exit(0);
}

/** What goes wrong here cannot be mended here; the runner notices that its guard is gone. */
function guarded(work: Promise<void>): void {
  work.catch((error: unknown) => {
    logger.fatal({ err: error }, "the guard failed");
    process.exit(1);
  });
}

function take(message: ToGuard): void {
  switch (message.type) {
    case "hello":
      return guarded(begin(message));
    case "claim":
      return void claims.set(message.claimId, message);
    case "went": {
      const claim = claims.get(message.claimId);
      if (claim) claim.ackSubject = null;
      return;
    }
    case "end":
      return void claims.delete(message.claimId);
    case "deadline":
      deadlineNs = BigInt(message.atNs);
      return;
    case "ping":
      return tell({ type: "pong" });
    case "bye":
      return guarded(leave());
  }
}

process.stdin.setEncoding("utf8");
process.stdin.on("data", lineReader(take));
const onPipeClosed = (): void => {
  if (!leaving) guarded(runnerGone());
  leaving = true;
};
process.stdin.on("end", onPipeClosed);
process.stdin.on("error", onPipeClosed);
setInterval(() => {
  if (deadlineNs === null || expired || leaving) return;
  if (process.hrtime.bigint() > deadlineNs) guarded(expire());
}, lookEveryMs);
