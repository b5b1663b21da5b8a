/**
 * Runs a process of the runner's own inside the run's tree: so it dies with the run's guard, and nothing of
 * it can outlive its runner. One at a time, and none while the agent's own process lives.
 */
import type { Clock } from "@reveille/shared/runtime/clock";
import type { Logger } from "@reveille/shared/runtime/log";
import { LifelineGone } from "../containment/tree.js";
import type { Trees } from "../containment/tree.js";
import { createByteTail } from "../core/byte-tail.js";
import { createStopLine } from "../core/stop.js";
import type { StopLine } from "../core/stop.js";
import { runProcess } from "../process-run.js";
import type { RunLog } from "../run-log.js";
import { outputBytesMax } from "./git.js";
import type { RunProcess } from "./git.js";

export interface ContainedParts {
  clock: Clock;
  trees: Trees;
  runId: string;
  attempt: number;
  /** A stop of the run ends what runs. */
  line: Pick<StopLine, "listen">;
  logger: Logger;
}

/** Between SIGTERM and SIGKILL: git removes its lock files in it. */
const graceMs = 1_000;
/** What it prints is no part of the run's log: it may name what only the runner knows. */
const noLog: RunLog = {
  write: () => undefined,
  onPressure: () => undefined,
  tail: () => "",
  cut: () => undefined,
  seal: async () => ({ bytes: 0, sha256: "", cut: null }),
};

export function containedProcess(parts: ContainedParts): RunProcess {
  const { clock, trees, runId, attempt, logger } = parts;
  // One listener for all processes: the run's line keeps those that it has.
  let current: StopLine | null = null;
  let stopped = false;
  parts.line.listen((stop) => {
    stopped = true;
    current?.ask(stop);
  });
  return async ({ timeoutMs, ...spec }) => {
    const none = (why: string) => ({ exitCode: null, stdout: "", stderr: "", stopped: why });
    if (stopped) return none("the run was ended");
    const own = createStopLine();
    current = own;
    const timeoutSec = timeoutMs / 1_000;
    const limit = clock.after(timeoutMs, () => own.ask({ kind: "timeout", sec: timeoutSec }));
    const output = {
      stdout: createByteTail(outputBytesMax),
      stderr: createByteTail(outputBytesMax),
    };
    try {
      const { exitCode, signal, startError } = await runProcess(
        trees.open(runId, attempt, spec),
        {
          ...spec,
          graceMs,
          idleTimeoutSec: timeoutSec,
          onIdle: () => undefined,
          onOutput: (stream, chunk) => output[stream].push(chunk),
        },
        noLog,
        own,
        clock,
        logger,
      );
      const why = own.stop?.kind === "timeout" ? `no end within ${timeoutSec} s` : "ended";
      return {
        exitCode,
        stdout: output.stdout.text(outputBytesMax),
        stderr: output.stderr.text(outputBytesMax),
        stopped: startError ?? (own.stop ? why : signal === null ? null : `killed by ${signal}`),
      };
    } catch (error) {
      if (error instanceof LifelineGone) return none("the runner's lifeline was cut");
      throw error;
    } finally {
      limit.cancel();
      current = null;
    }
  };
}
