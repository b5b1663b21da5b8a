/**
 * What all logs of a runner share: the way to NATS, and the bounds of memory, disk, rate and size. Says when a
 * log has to be held back; knows no run.
 */
import type { Bus } from "@reveille/shared/nats/bus";
import type { StoredPublisher } from "@reveille/shared/nats/stored-publisher";
import type { LogSpool, SpoolBudget } from "./log-spool.js";
import { createLogSpool } from "./log-spool.js";

export interface LogLimits {
  /** Bytes of one run's log; beyond it the log is cut and says so. */
  runBytesMax: number;
  /** Bytes a second of one run's log; beyond it the process's pipe is held back. 0: no limit. */
  bytesPerSec: number;
}
export interface LogBudget {
  readonly publisher: StoredPublisher;
  readonly limits: LogLimits;
  /** False while NATS is away: what comes then waits on the disk. */
  readonly connected: () => boolean;
  readonly openSpool: (runId: string, attempt: number) => LogSpool;
  readonly spool: SpoolBudget;
  /** Bytes that wait for acknowledgements, of all logs. */
  inFlight: number;
  /** Those that are held back; called when there may be room, and when NATS goes or comes. */
  readonly pressed: Set<() => void>;
  /** Bytes that agents printed, since the start. */
  written: number;
  /** How many logs were cut at their size, and how often one was slowed down, since the start. */
  capped: number;
  throttled: number;
}
export interface LogBudgetOptions extends LogLimits {
  publisher: StoredPublisher;
  bus: Bus;
  spoolBytesMax: number;
  /** Where a spool may be made: a name that nobody has. */
  spoolPath: (runId: string, attempt: number) => string;
}

export function createLogBudget(options: LogBudgetOptions): LogBudget {
  const { publisher, bus, spoolBytesMax, spoolPath, runBytesMax, bytesPerSec } = options;
  const spool = { bytesMax: spoolBytesMax, bytes: 0 };
  const budget: LogBudget = {
    publisher,
    limits: { runBytesMax, bytesPerSec },
    connected: () => bus.connected,
    openSpool: (runId, attempt) => createLogSpool(() => spoolPath(runId, attempt), spool),
    spool,
    inFlight: 0,
    written: 0,
    pressed: new Set(),
    capped: 0,
    throttled: 0,
  };
  bus.onState(() => {
    for (const relax of budget.pressed) relax();
  });
  return budget;
}
