import { describe, expect, test } from "vitest";
import { nextDueAfter, readTimetable, scheduleFault, turnOf } from "./schedule.js";
import type { Schedule } from "./schedule.js";

const at = (iso: string): number => Date.parse(iso);
const table = (heartbeat: unknown) => readTimetable({ heartbeat });
const cron = (expression: string, timezone = "UTC"): Schedule => ({
  kind: "cron",
  cron: expression,
  timezone,
});
/** The next due times from a moment on. */
function dues(schedule: Schedule, from: string, count: number): (string | null)[] {
  const found: (string | null)[] = [];
  let ms: number | null = at(from);
  while (found.length < count && ms !== null) {
    ms = nextDueAfter(schedule, ms);
    found.push(ms === null ? null : new Date(ms).toISOString());
  }
  return found;
}

describe("what a configuration says", () => {
  test.each([
    [{ intervalSec: 60 }, { kind: "interval", periodMs: 60_000 }],
    [{ intervalSec: 1.5004 }, { kind: "interval", periodMs: 1_500 }],
    [{ intervalSec: 0.01 }, { kind: "interval", periodMs: 1_000 }],
    [{ intervalSec: 1e12 }, { kind: "interval", periodMs: 315_360_000_000 }],
    [
      { cron: "0 9 * * MON-FRI", timezone: "Europe/Berlin" },
      cron("0 9 * * MON-FRI", "Europe/Berlin"),
    ],
    [{ cron: "0 9 * * *" }, cron("0 9 * * *")],
    [{ cron: "0 9 * * *", intervalSec: 60 }, cron("0 9 * * *")],
    [{ intervalSec: 60, enabled: false }, { kind: "none" }],
    [{ intervalSec: 0 }, { kind: "none" }],
    [{ intervalSec: -1 }, { kind: "none" }],
    [{ intervalSec: "60" }, { kind: "none" }],
    [{ cron: "every now and then" }, { kind: "none" }],
    [{ cron: 5, intervalSec: 60 }, { kind: "none" }],
    [{ cron: "0 9 * * *", timezone: "Mars/Olympus" }, { kind: "none" }],
    [null, { kind: "none" }],
  ])("%j [M2] [W10]", (heartbeat, schedule) => {
    expect(table(heartbeat).schedule).toEqual(schedule);
  });

  test.each([
    [{ cron: "0 9 * * *", intervalSec: 60 }, "cron"],
    [{ cron: "* * * * * *" }, "cron"],
    [{ cron: "@daily" }, "cron"],
    [{ cron: "2027-01-01T00:00:00" }, "cron"],
    [{ cron: "60 * * * *" }, "cron"],
    [{ cron: "0 0 31 2 *" }, "cron"],
    [{ cron: `${"0,".repeat(100)}0 * * * *` }, "cron"],
    [{ cron: 5 }, "cron"],
    [{ timezone: "Mars/Olympus" }, "timezone"],
    [{ timezone: 1 }, "timezone"],
    [{ catchUp: "always" }, "catchUp"],
  ])("%j is refused, naming %s", (heartbeat, field) => {
    expect(scheduleFault({ heartbeat })?.path).toEqual(["heartbeat", field]);
  });

  test.each([
    {},
    { intervalSec: 60 },
    { intervalSec: -1 },
    { cron: "*/5 * * * *", intervalSec: 0 },
    { cron: "0 9 * * MON", timezone: "Europe/Berlin", catchUp: "skip" },
    { cron: null, timezone: null, catchUp: null },
  ])("%j is fine", (heartbeat) => {
    expect(scheduleFault({ heartbeat })).toBeNull();
  });
});

describe("cron in a time zone", () => {
  test("an hour that is skipped: what was due in it comes when it is over, once", () => {
    expect(dues(cron("30 2 * * *", "Europe/Berlin"), "2026-03-28T12:00:00Z", 2)).toEqual([
      "2026-03-29T01:00:00.000Z",
      "2026-03-30T00:30:00.000Z",
    ]);
  });
  test("an hour that comes twice: what is due in it comes once", () => {
    expect(dues(cron("30 2 * * *", "Europe/Berlin"), "2026-10-24T12:00:00Z", 2)).toEqual([
      "2026-10-25T00:30:00.000Z",
      "2026-10-26T01:30:00.000Z",
    ]);
  });
  test("what is due every hour is due every hour, whatever the clocks do", () => {
    expect(dues(cron("0 * * * *", "America/New_York"), "2026-11-01T04:30:00Z", 4)).toEqual([
      "2026-11-01T05:00:00.000Z",
      "2026-11-01T06:00:00.000Z",
      "2026-11-01T07:00:00.000Z",
      "2026-11-01T08:00:00.000Z",
    ]);
  });
  test("leap days", () => {
    expect(dues(cron("0 0 29 2 *"), "2026-01-01T00:00:00Z", 1)).toEqual([
      "2028-02-29T00:00:00.000Z",
    ]);
  });
});

describe("late timers", () => {
  const due = at("2026-01-01T00:01:00Z");
  const everyMinute = { intervalSec: 60 };
  test("in time: the next one follows when it was due", () => {
    expect(turnOf(table(everyMinute), due, due + 700)).toEqual({
      fires: true,
      nextMs: due + 60_000,
    });
  });
  test("missed periods fire once and keep the beat", () => {
    const turn = turnOf(table(everyMinute), due, due + 200_000);
    expect(turn).toEqual({ fires: true, nextMs: due + 240_000 });
  });
  test.each([
    [everyMinute, 60_000, true],
    [everyMinute, 60_001, false],
    [{ intervalSec: 5 }, 5_001, false],
    [{ intervalSec: 3_600 }, 60_001, false],
    [{ cron: "*/2 * * * *" }, 59_000, true],
    [{ cron: "*/2 * * * *" }, 61_000, false],
  ])("%j skips when it is %d ms late: fires %s", (heartbeat, late, fires) => {
    expect(turnOf(table({ ...heartbeat, catchUp: "skip" }), due, due + late).fires).toBe(fires);
  });
  test("cron: what was missed is not made up for one by one", () => {
    const turn = turnOf(table({ cron: "*/2 * * * *" }), due, due + 3_600_500);
    expect(turn).toEqual({ fires: true, nextMs: at("2026-01-01T01:02:00Z") });
  });
});
