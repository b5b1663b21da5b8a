/**
 * The part of the configuration that every adapter has: how long a run may last, how long its process
 * may be silent, how long it may take to end. Wrong types are errors that name the field.
 */
import type { AdapterLimits, Json } from "../adapter.js";

/** The reference's default; a second is its least. */
const graceSecDefault = 15;
const graceSecMin = 1;
/** What a timer can hold (2^31 ms), a little less. */
const secondsMax = 2_147_000;

export interface LimitDefaults {
  /** More than 0. */
  timeoutSec: number;
  /** More than 0. */
  idleTimeoutSec: number;
  /** At least 1; undefined: the reference's. */
  graceSec?: number | undefined;
}
export type ReadLimits = { ok: true; limits: AdapterLimits } | { ok: false; message: string };

/** Reads `timeoutSec`, `idleTimeoutSec` and `graceSec`; 0 or absent limits are the runner's defaults. */
export function readLimits(config: Readonly<Json>, defaults: LimitDefaults): ReadLimits {
  const read: Record<string, number> = {};
  for (const [field, absent] of [
    ["timeoutSec", 0],
    ["idleTimeoutSec", 0],
    ["graceSec", defaults.graceSec ?? graceSecDefault],
  ] as const) {
    const value = seconds(config[field], absent);
    if (value === null)
      return { ok: false, message: `adapterConfig.${field} must be a number of seconds` };
    read[field] = value;
  }
  return {
    ok: true,
    limits: {
      timeoutSec: read["timeoutSec"] || defaults.timeoutSec,
      idleTimeoutSec: read["idleTimeoutSec"] || defaults.idleTimeoutSec,
      graceMs: Math.max(graceSecMin, read["graceSec"]!) * 1_000,
    },
  };
}

function seconds(value: unknown, absent: number): number | null {
  if (value === undefined || value === null) return absent;
  if (typeof value !== "number" || !Number.isFinite(value) || value < 0) return null;
  return Math.min(value, secondsMax);
}
