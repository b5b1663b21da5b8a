// Owns what `npm start` shows while the system works.
import type { Endpoints } from "./endpoints.js";

/** Ends the display. Idempotent. */
export type StopProgress = () => Promise<void>;

/** Follows the system's events and prints a line for each that a person cares about, until stopped. */
export async function showProgress(_endpoints: Endpoints): Promise<StopProgress> {
  return async () => {};
}
