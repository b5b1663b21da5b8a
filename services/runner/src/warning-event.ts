/** The event that tells of something odd that did not end a run. Bounded. */
import type { RunEvent } from "@reveille/shared/protocol/execution";

/** Enough for a sentence with a path in it; an agent that provokes many must not fill the table. */
const charsMax = 1_000;

/** `atMs`: when it happened, Unix time. */
export const warningEvent = (message: string, atMs: number): RunEvent => ({
  eventType: "adapter.warning",
  stream: "system",
  level: "warn",
  message: message.slice(0, charsMax),
  at: new Date(atMs).toISOString(),
});
