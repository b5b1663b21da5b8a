/** The structured log (pino, JSON lines on stdout). Values of secrets never reach it. */
import { pino } from "pino";
import type { Logger as PinoLogger } from "pino";
import { traceIdOf } from "./tracing.js";

export type Logger = PinoLogger;

/** What every line about a run carries; `undefined` is left out. */
export const runFields = (run: {
  companyId: string;
  agentId: string;
  runId: string;
  attempt: number;
  traceparent?: string | null;
}) => ({
  companyId: run.companyId,
  agentId: run.agentId,
  runId: run.runId,
  attempt: run.attempt,
  traceId: traceIdOf(run.traceparent),
});

/** The logger of one service; `level` as pino knows it, `silent` for tests. */
export const createLogger = (service: string, level = "info"): Logger =>
  pino({ level, base: { service, pid: process.pid }, timestamp: pino.stdTimeFunctions.isoTime });
