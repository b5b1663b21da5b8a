/**
 * A guard as a process: pipes, signals, files and NATS for `guard.ts`.
 *
 * It outlives its runner's signals: a terminal's Ctrl-C and a supervisor's SIGTERM reach both, and the
 * runner drains while its guard still stands. SIGKILL of both leaves the trees to another runner of this
 * place (`neighbours.ts`), or to the next one's sweep.
 */
import { createWriteStream } from "node:fs";
import { systemClock } from "@reveille/shared/runtime/clock";
import { createLogger } from "@reveille/shared/runtime/log";
import { cut, makeOwnLifeline } from "../containment/lifeline.js";
import { connectGuard } from "./guard-connection.js";
import { createGuard } from "./guard.js";
import { lineReader } from "./guard-protocol.js";
import type { ToGuard } from "./guard-protocol.js";

const toRunner = createWriteStream("", { fd: 3 });
// The runner is gone: its other pipe says so too, and that is where it is handled.
toRunner.on("error", () => undefined);

for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => undefined);

const guard = createGuard({
  clock: systemClock,
  machineNs: () => process.hrtime.bigint(),
  pid: process.pid,
  tell: (message) => void toRunner.write(`${JSON.stringify(message)}\n`),
  makeLifeline: makeOwnLifeline,
  cut,
  connect: connectGuard,
  exit: (code) => process.exit(code),
  logger: (level) => createLogger("runner-guard", level),
});

process.stdin.setEncoding("utf8");
process.stdin.on(
  "data",
  lineReader<ToGuard>((message) => guard.take(message)),
);
process.stdin.on("end", () => guard.pipeClosed());
process.stdin.on("error", () => guard.pipeClosed());
