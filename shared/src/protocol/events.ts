/**
 * Live events on `rv.<company>.event.<type>` (JSON, core NATS): what consoles show. They are told,
 * not kept: whoever missed one reads Postgres. The names and payloads are Paperclip's.
 */

export const eventTypes = [
  "heartbeat.run.queued",
  "heartbeat.run.status",
  "heartbeat.run.event",
  "heartbeat.run.log",
  "agent.status",
  "issue.lock",
  "activity.logged",
  "mailbox.gap",
] as const;
export type EventType = (typeof eventTypes)[number];

/** One frame as it is published. The gateway adds a number of its own connection when it forwards it. */
export interface EventFrame {
  type: EventType;
  companyId: string;
  /** ISO 8601. */
  createdAt: string;
  payload: Record<string, unknown>;
}
