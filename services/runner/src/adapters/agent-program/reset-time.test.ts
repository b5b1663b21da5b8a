import { expect, test } from "vitest";
import { resetTime } from "./reset-time.js";

const nowMs = Date.UTC(2026, 10, 22, 8, 49, 30);
const at = (text: string, timeZone = "UTC"): string | null => {
  const ms = resetTime(text, nowMs, timeZone);
  return ms === null ? null : new Date(ms).toISOString();
};

test.each([
  ["You've hit your 5-hour limit · resets 9:48am (UTC)", "2026-11-22T09:48:00.000Z"],
  ["limit reached · resets 3am (UTC)", "2026-11-23T03:00:00.000Z"],
  ["resets 3pm (Europe/Vienna)", "2026-11-22T14:00:00.000Z"],
  ["weekly limit · resets Nov 25, 9am (UTC)", "2026-11-25T09:00:00.000Z"],
  ["resets Jan 2 at 12:30am (UTC)", "2027-01-02T00:30:00.000Z"],
  ["purchase more credits or try again at 9:38 AM.", "2026-11-22T09:38:00.000Z"],
  ["try again at Nov 25th, 2026 9:38 AM.", "2026-11-25T09:38:00.000Z"],
  ["Please try again in 2 days 3 hours 5 minutes.", "2026-11-24T11:54:30.000Z"],
  ["Please try again in 5.5s.", "2026-11-22T08:49:35.500Z"],
  ["try again in 1 hour and 30 minutes", "2026-11-22T10:19:30.000Z"],
])("%s", (text, time) => {
  expect(at(text)).toBe(time);
});

test.each([
  "API Error: Request rejected (429) · usage limit",
  "try again in a moment",
  "resets 13:99pm (UTC)",
  "resets 9am (No/Where)",
  "",
])("no time in: %s", (text) => {
  expect(at(text)).toBeNull();
});

test("a time without a zone is of the program's own", () => {
  expect(at("try again at 9:38 AM", "Asia/Tokyo")).toBe("2026-11-23T00:38:00.000Z");
});
