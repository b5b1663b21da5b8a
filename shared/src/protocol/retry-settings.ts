/** `runtimeConfig.retry`: what may be said of repeating failures. A gateway refuses the rest; actors clamp. */
import { z } from "zod";

/** The most of each. */
export const retryBounds = {
  /** Lost attempts that are repeated in the same run. */
  lost: 5,
  /** New runs after an outcome. */
  max: 10,
  /** A day: whoever waits longer should be woken by somebody. */
  delaySec: 86_400,
  factor: 10,
  /** A list of 20 codes says more than any adapter has. */
  codes: 20,
  pauseAfterFailures: 1_000,
} as const;

const whole = (max: number) => z.number().int().min(0).max(max).optional();
const seconds = z.number().min(0).max(retryBounds.delaySec).optional();

/** Absent fields have the defaults of docs/schedules-and-retries.md. */
export const retrySettingsSchema = z.strictObject({
  lost: whole(retryBounds.lost),
  on: z.array(z.string().min(1).max(100)).max(retryBounds.codes).optional(),
  max: whole(retryBounds.max),
  baseSec: seconds,
  factor: z.number().min(1).max(retryBounds.factor).optional(),
  maxSec: seconds,
  jitter: z.number().min(0).max(1).optional(),
  pauseAfterFailures: whole(retryBounds.pauseAfterFailures),
});
