/** The structured log (pino, JSON lines on stdout). Values of secrets never reach it. */
import { pino } from "pino";
import type { Logger as PinoLogger } from "pino";

export type Logger = PinoLogger;

/** The logger of one service; `level` as pino knows it, `silent` for tests. */
export const createLogger = (service: string, level = "info"): Logger =>
  pino({ level, base: { service, pid: process.pid }, timestamp: pino.stdTimeFunctions.isoTime });
