/**
 * When an agent's own timer is due: an interval or a cron expression in a time zone, as its
 * `runtimeConfig.heartbeat` says. Pure: moments come in as values. Gateways validate with it and set
 * the first due time, actors every later one. Knows no agent and no policy but this.
 */
import { Cron } from "croner";

export type Schedule =
  | { kind: "none" }
  | { kind: "interval"; periodMs: number }
  | { kind: "cron"; cron: string; timezone: string };

/** What a period that was missed leads to: one wake, or none. */
export type CatchUp = "once" | "skip";

export interface Timetable {
  schedule: Schedule;
  catchUp: CatchUp;
}

/** A fault in a configuration, and the field that has it. */
export interface ScheduleFault {
  path: string[];
  message: string;
}

/** One second: below it a timer would be a busy loop; the reference looks every ten seconds at best. */
const periodMinMs = 1_000;
/** Ten years: what can be added to any moment without leaving the calendar. */
const periodMaxMs = 315_360_000_000;
/** Far longer than five fields need; bounds what a parser is given. */
const cronMaxLength = 200;
/** How late a timer may be and still be in time, where missed periods are skipped. */
const graceMaxMs = 60_000;

type Json = Record<string, unknown>;
const asMap = (value: unknown): Json =>
  typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Json) : {};

/**
 * The timetable of a `runtimeConfig`, read leniently: what is malformed is no schedule, so a bad agent
 * has no timer and disturbs nobody. With both, cron wins over the interval. Never throws.
 */
export function readTimetable(runtimeConfig: unknown): Timetable {
  const heartbeat = asMap(asMap(runtimeConfig)["heartbeat"]);
  return {
    schedule: heartbeat["enabled"] === false ? { kind: "none" } : scheduleOf(heartbeat),
    catchUp: heartbeat["catchUp"] === "skip" ? "skip" : "once",
  };
}

function scheduleOf(heartbeat: Json): Schedule {
  const { cron, timezone = "UTC", intervalSec } = heartbeat;
  if (cron !== undefined && cron !== null)
    return typeof cron === "string" && typeof timezone === "string" && !cronFault(cron, timezone)
      ? { kind: "cron", cron, timezone }
      : { kind: "none" };
  if (typeof intervalSec !== "number" || !(intervalSec > 0)) return { kind: "none" };
  // Whole milliseconds: a due time is compared with what a timestamp has kept of it.
  const periodMs = Math.round(intervalSec * 1_000);
  return { kind: "interval", periodMs: Math.min(periodMaxMs, Math.max(periodMinMs, periodMs)) };
}

/**
 * What a gateway refuses in a `runtimeConfig`; null: nothing. Paths begin below `runtimeConfig`. An odd
 * interval is no fault: it has always counted as none.
 */
export function scheduleFault(runtimeConfig: unknown): ScheduleFault | null {
  const heartbeat = asMap(asMap(runtimeConfig)["heartbeat"]);
  const { cron, timezone, intervalSec, catchUp } = heartbeat;
  const fault = (field: string, message: string): ScheduleFault => ({
    path: ["heartbeat", field],
    message,
  });
  if (catchUp !== undefined && catchUp !== null && catchUp !== "once" && catchUp !== "skip")
    return fault("catchUp", "must be once or skip");
  if (timezone !== undefined && timezone !== null)
    if (typeof timezone !== "string" || !isTimeZone(timezone))
      return fault("timezone", "must be an IANA time zone, for example Europe/Berlin");
  if (cron === undefined || cron === null) return null;
  if (typeof cron !== "string") return fault("cron", "must be a string of five fields");
  if (typeof intervalSec === "number" && intervalSec > 0)
    return fault("cron", "cannot be combined with intervalSec: an agent has one timer");
  const wrong = cronFault(cron, typeof timezone === "string" ? timezone : "UTC");
  return wrong === null ? null : fault("cron", wrong);
}

/**
 * When a schedule is due next, after a moment at which it was due or began; ms, null: never. Local times
 * that a change of clocks skips come as soon as it is over; those that it repeats come once.
 */
export function nextDueAfter(schedule: Schedule, afterMs: number): number | null {
  switch (schedule.kind) {
    case "none":
      return null;
    case "interval":
      return afterMs + schedule.periodMs;
    case "cron":
      return cronOf(schedule.cron, schedule.timezone).nextRun(new Date(afterMs))?.getTime() ?? null;
  }
}

/** What becomes of a timer that was due at one moment and is noticed at another. */
export interface Turn {
  /** False: it is so late that its catch-up policy skips it. */
  fires: boolean;
  /** On the beat of the schedule and after `atMs`, ms; null: never again. */
  nextMs: number | null;
}

/** Missed periods fire once or not at all; the beat stays that of the schedule. */
export function turnOf({ schedule, catchUp }: Timetable, dueMs: number, atMs: number): Turn {
  const following = nextDueAfter(schedule, dueMs);
  const graceMs = Math.min(graceMaxMs, following === null ? graceMaxMs : following - dueMs);
  const fires = catchUp === "once" || atMs - dueMs <= graceMs;
  if (following === null || following > atMs) return { fires, nextMs: following };
  if (schedule.kind !== "interval") return { fires, nextMs: nextDueAfter(schedule, atMs) };
  const missed = Math.floor((atMs - following) / schedule.periodMs) + 1;
  return { fires, nextMs: following + missed * schedule.periodMs };
}

/** Two schedules that are due at the same moments. */
export const sameSchedule = (one: Schedule, other: Schedule): boolean =>
  JSON.stringify(one) === JSON.stringify(other);

/** `paused`: the object only computes; nothing is ever started. */
const cronOf = (cron: string, timezone: string): Cron =>
  new Cron(cron, { timezone, mode: "5-part", paused: true });

/** Why this is no cron expression that ever comes due; null: it is one. */
function cronFault(cron: string, timezone: string): string | null {
  if (cron.length > cronMaxLength) return `must have at most ${cronMaxLength} characters`;
  // The library also takes dates and nicknames such as @daily.
  if (cron.trim().split(/\s+/).length !== 5) return "must have five fields";
  if (!isTimeZone(timezone)) return "needs a known time zone";
  try {
    const next = cronOf(cron, timezone).nextRun(new Date(Date.UTC(2026, 0, 1)));
    return next === null ? "never comes due" : null;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

function isTimeZone(name: string): boolean {
  try {
    return new Intl.DateTimeFormat("en", { timeZone: name }).resolvedOptions().timeZone !== "";
  } catch {
    return false;
  }
}
