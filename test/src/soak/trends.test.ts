import { expect, test } from "vitest";
import type { Sample } from "./samples.js";
import { slopeOf, trendsOf } from "./trends.js";

const minute = 60_000;

/** One sample every 5 s for so many minutes of a process whose memory is told by its age. */
const samplesOf = (minutes: number, rssMbAt: (minutes: number) => number, pid = 1): Sample[] =>
  Array.from({ length: minutes * 12 + 1 }, (_, n) => ({
    at: n * 5_000,
    processes: [{ place: "runner-0", pid, rssMb: rssMbAt((n * 5_000) / minute), descriptors: 20 }],
    totals: { streams: 5 },
  }));

test("a slope is the least squares of its points", () => {
  expect(slopeOf([0, 1, 2, 3].map((at) => ({ at, value: 5 + 2 * at })))).toBeCloseTo(2);
  expect(slopeOf([{ at: 1, value: 3 }])).toBe(0);
});

test("growth after the warm-up is a trend, growth within it is none", () => {
  const leak = trendsOf(samplesOf(20, (age) => 80 + 2 * age));
  expect(leak.find(({ unit }) => unit === "MB resident")).toMatchObject({ judged: true });
  expect(leak.find(({ unit }) => unit === "MB resident")!.slope).toBeCloseTo(2);
  const warm = trendsOf(samplesOf(20, (age) => 80 + 10 * Math.min(age, 4)));
  expect(warm.find(({ unit }) => unit === "MB resident")!.slope).toBeCloseTo(0);
});

test("each life of a process is one series, and a short one is not judged", () => {
  const first = samplesOf(10, () => 80, 1);
  const second = samplesOf(3, () => 90, 2).map((sample) => ({
    ...sample,
    at: sample.at + 10 * minute,
  }));
  const lives = trendsOf([...first, ...second]).filter(({ unit }) => unit === "MB resident");
  expect(lives.map(({ what, judged }) => ({ what, judged }))).toEqual([
    { what: "runner-0 life 1", judged: true },
    { what: "runner-0 life 2", judged: false },
  ]);
});

test("what comes and goes is no trend, what stays at the quietest moment is one", () => {
  const breathing = trendsOf(samplesOf(20, (age) => 80 + (age % 1) * (10 + age)));
  expect(breathing.find(({ unit }) => unit === "MB resident")!.slope).toBeCloseTo(0);
  const leaking = trendsOf(samplesOf(20, (age) => 80 + (age % 1) * 40 + Math.floor(age)));
  expect(leaking.find(({ unit }) => unit === "MB resident")!.slope).toBeCloseTo(1);
});
