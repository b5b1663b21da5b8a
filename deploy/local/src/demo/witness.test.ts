import { expect, test } from "vitest";
import { overlaps, type Note } from "./witness.js";

const note = (
  event: "start" | "end",
  run: string,
  at: number,
  issue: string | null = "i",
): Note => ({
  event,
  run,
  attempt: 1,
  issue,
  name: run,
  pid: 1,
  at,
});

test("processes on one issue that follow each other do not overlap", () => {
  const notes = [
    note("start", "a", 0),
    note("end", "a", 5),
    note("start", "b", 5),
    note("end", "b", 9),
  ];
  expect(overlaps(notes, 10)).toEqual([]);
});

test("a process that began before the other ended is seen, also when the other never ended", () => {
  const notes = [note("start", "a", 0), note("start", "b", 4), note("end", "b", 9)];
  expect(overlaps(notes, 10)).toEqual([[notes[0], notes[1]]]);
  expect(overlaps([...notes, note("end", "a", 4)], 10)).toEqual([]);
});

test("other issues, and none, are nobody's business", () => {
  const notes = [
    note("start", "a", 0, "i"),
    note("start", "b", 1, "j"),
    note("start", "c", 2, null),
  ];
  expect(overlaps(notes, 10)).toEqual([]);
});
