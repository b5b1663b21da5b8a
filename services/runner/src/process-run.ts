/**
 * One process and its tree, from start to the death of the last of them. Output goes to the log, with
 * back-pressure on the pipes; a stop asks nicely, then kills. Knows no adapter and no report.
 */
import type { Clock, Timer } from "@reveille/shared/runtime/clock";
import type { Logger } from "@reveille/shared/runtime/log";
import type { OutputStream, ProcessEnd } from "./adapter.js";
import type { StartSpec } from "./core/shell-orders.js";
import type { Stop, StopLine } from "./core/stop.js";
import type { RunLog } from "./run-log.js";
import { untilGone } from "./containment/tree.js";
import type { FirstProcess, OutputPipe, Tree } from "./containment/tree.js";

export interface ProcessSpec extends StartSpec {
  graceMs: number;
  /** Silence on both streams that is too long; more than 0. */
  idleTimeoutSec: number;
  /** Called when there was silence for so long. */
  onIdle: () => void;
  onOutput?: (stream: OutputStream, chunk: Buffer) => void;
}

/** How long what is left of a tree may take to end by itself after its first process did. */
const leftoverGraceMs = 1_000;
/**
 * After the tree's death its pipes can hold 200 KiB at most, unless somebody outside of it has them
 * too: then nothing arrives, and this is how long we wait for it.
 */
const quietPipeMs = 1_000;

/** Resolves when no process of the tree is left and its output is in the log. Never rejects. */
export async function runProcess(
  tree: Tree,
  spec: ProcessSpec,
  log: RunLog,
  line: StopLine,
  clock: Clock,
  logger: Logger,
): Promise<ProcessEnd> {
  const child = start(tree, spec);
  if (typeof child === "string") {
    await untilGone(tree, clock, { tellThem: false, killAfterMs: 0, onStuck: () => undefined });
    return { exitCode: null, signal: null, startError: child };
  }
  logger.debug({ pid: child.pid, spare: tree.spare }, "process started");
  const pipes = drainPipes(child, log, clock, spec.onOutput);
  const silence = watchSilence(pipes, clock, spec);
  const killing = obeyStops(tree, clock, spec.graceMs, line);
  const end = await ended(child);
  silence.over();
  await untilGone(tree, clock, {
    tellThem: line.stop === null,
    killAfterMs: killing.leftMs() ?? Math.min(spec.graceMs, leftoverGraceMs),
    onStuck: () => logger.warn("a killed process does not die; the run stays open until it does"),
  });
  killing.over();
  await pipes.closed();
  return end;
}

/** The child, or why there is none. */
function start(tree: Tree, spec: ProcessSpec): FirstProcess | string {
  try {
    return tree.start();
  } catch (error) {
    // Too long a command line, NUL in an argument, no descriptors left.
    return `Failed to start command "${spec.path}" in "${spec.cwd}": ${(error as Error).message}`;
  }
}

/** Resolves with how the first process ended. `child.killed` only says that a signal was sent. */
function ended(child: FirstProcess): Promise<ProcessEnd> {
  return new Promise((resolve) => {
    child.once("error", (error) => {
      // Also raised when a signal cannot be sent; only without a pid did nothing start.
      if (child.pid === undefined)
        resolve({ exitCode: null, signal: null, startError: `Failed to start: ${error.message}` });
    });
    child.once("exit", (exitCode, signal) => resolve({ exitCode, signal, startError: null }));
  });
}

interface Killing {
  /** Until SIGKILL; null when nobody asked for an end. */
  leftMs(): number | null;
  over(): void;
}

function obeyStops(tree: Tree, clock: Clock, graceMs: number, line: StopLine): Killing {
  let killAt: number | null = null;
  let timer: Timer | null = null;
  let over = false;
  const obey = (stop: Stop): void => {
    if (over) return;
    timer?.cancel();
    const grace = stop.kind === "lost" ? 0 : graceMs;
    killAt = clock.monotonicMs() + grace;
    if (grace === 0) return tree.kill();
    tree.signal("SIGTERM");
    timer = clock.after(grace, () => tree.kill());
  };
  line.listen(obey);
  return {
    leftMs: () => (killAt === null ? null : Math.max(0, killAt - clock.monotonicMs())),
    over: () => {
      over = true;
      timer?.cancel();
    },
  };
}

/** Tells when nothing was printed for so long. One timer, set again when it comes too early. */
function watchSilence(
  pipes: Pipes,
  clock: Clock,
  { idleTimeoutSec, onIdle }: ProcessSpec,
): { over(): void } {
  const began = clock.monotonicMs();
  let timer: Timer;
  const look = (): void => {
    const silentAt = Math.max(began, pipes.movedAt()) + idleTimeoutSec * 1_000;
    const leftMs = silentAt - clock.monotonicMs();
    if (leftMs <= 0) onIdle();
    else timer = clock.after(leftMs, look);
  };
  timer = clock.after(idleTimeoutSec * 1_000, look);
  return { over: () => timer.cancel() };
}

interface Pipes {
  closed(): Promise<void>;
  /** When output last came, by the monotonic clock; now, while the log holds it back. */
  movedAt(): number;
}

/** Moves output into the log; `closed` waits for its end, but not for ever. */
function drainPipes(
  child: FirstProcess,
  log: RunLog,
  clock: Clock,
  onOutput: ProcessSpec["onOutput"],
): Pipes {
  let openCount = 0;
  let movedAt = 0;
  let pressed = false;
  let allClosed: () => void = () => undefined;
  const pipes: OutputPipe[] = [];
  const attach = (stream: OutputStream, pipe: OutputPipe | null): void => {
    if (!pipe) return;
    pipes.push(pipe);
    openCount += 1;
    pipe.on("data", (chunk: Buffer) => {
      movedAt = clock.monotonicMs();
      log.write(stream, chunk);
      onOutput?.(stream, chunk);
    });
    // A pipe that breaks ends like one that is closed: what came before is in the log.
    pipe.on("error", () => undefined);
    // The pipe of a spare is paused until here.
    pipe.resume();
    pipe.once("close", () => {
      openCount -= 1;
      if (openCount === 0) allClosed();
    });
  };
  attach("stdout", child.stdout);
  attach("stderr", child.stderr);
  log.onPressure((wait) => {
    pressed = wait;
    movedAt = clock.monotonicMs();
    for (const pipe of pipes)
      if (wait) pipe.pause();
      else pipe.resume();
  });
  return {
    movedAt: () => (pressed ? clock.monotonicMs() : movedAt),
    closed: async () => {
      if (openCount === 0) return;
      movedAt = Math.max(movedAt, clock.monotonicMs());
      await new Promise<void>((resolve) => {
        const watch = clock.every(100, () => {
          if (pressed || clock.monotonicMs() < movedAt + quietPipeMs) return;
          log.cut("a process outside of the run's tree still held its output open");
          for (const pipe of pipes) pipe.destroy();
          allClosed();
        });
        allClosed = () => {
          watch.cancel();
          resolve();
        };
      });
    },
  };
}
