// Simulated time itself: order, microtasks, cancelling; and what freezing and killing do to a process.
import { expect, test } from "vitest";
import { pause } from "@reveille/shared/runtime/clock";
import { Loop, simulationStartMs } from "./loop.js";
import { SimProcess } from "./process.js";
import { createRandom } from "./random.js";

test("events happen in the order of their moments, then of their scheduling, each with all its microtasks", async () => {
  const loop = new Loop();
  const seen: string[] = [];
  const say = (text: string) => () => void seen.push(`${loop.nowMs} ${text}`);
  loop.schedule(5, say("late"));
  loop.schedule(1, () => {
    say("first")();
    void Promise.resolve().then(say("its microtask")).then(say("and the next"));
    loop.schedule(0, say("at once"));
  });
  loop.schedule(1, say("second"));
  loop.schedule(2, say("never")).cancel();
  expect(await loop.run(100)).toBe("empty");
  expect(seen).toEqual([
    "1 first",
    "1 its microtask",
    "1 and the next",
    "1 second",
    "1 at once",
    "5 late",
  ]);
  expect(loop.steps).toBe(4);
});

test("a run ends when its time is over, when it is done, or with what an event throws", async () => {
  const loop = new Loop();
  let done = false;
  loop.schedule(10, () => (done = true));
  loop.schedule(20, () => {
    throw new Error("broken");
  });
  expect(await loop.run(5)).toBe("time over");
  expect(loop.nowMs).toBe(5);
  expect(await loop.run(100, { done: () => done })).toBe("done");
  expect(loop.nowMs).toBe(10);
  await expect(loop.run(100)).rejects.toThrow("broken");
});

test("after each event somebody may look, also beyond one turn of the real loop", async () => {
  const loop = new Loop();
  let left = 2_000;
  let looks = 0;
  const next = (): void => {
    left -= 1;
    if (left > 0) void Promise.resolve().then(() => loop.schedule(0.5, next));
  };
  next();
  await loop.run(10_000, { afterEach: () => (looks += 1) });
  expect({ left, looks }).toEqual({ left: 0, looks: 1_999 });
});

test("a frozen process hears all of it later and in order; nothing overtakes", async () => {
  const loop = new Loop();
  const process = new SimProcess(loop, "p");
  const seen: string[] = [];
  process.freeze();
  process.enter(() => void seen.push("1"));
  process.clock.after(5, () => void seen.push("2"));
  await loop.run(10);
  expect(seen).toEqual([]);
  loop.schedule(1, () => process.thaw());
  loop.schedule(1, () => process.enter(() => void seen.push("3")));
  await loop.run(10);
  expect(seen).toEqual(["1", "2", "3"]);
});

test("periods of a frozen process are not caught up", async () => {
  const loop = new Loop();
  const process = new SimProcess(loop, "p");
  let turns = 0;
  const period = process.clock.every(10, () => (turns += 1));
  await loop.run(25);
  process.freeze();
  await loop.run(100);
  expect(turns).toBe(2);
  process.thaw();
  await loop.run(15);
  expect(turns).toBe(4);
  period.cancel();
  await loop.run(100);
  expect(turns).toBe(4);
});

test("of a killed process nothing happens any more, and who waits for its death is told once", async () => {
  const loop = new Loop();
  const process = new SimProcess(loop, "p");
  const seen: string[] = [];
  process.onDeath(() => void seen.push("dead"));
  process.clock.after(5, () => void seen.push("timer"));
  void pause(process.clock, 5).then(() => seen.push("pause"));
  process.kill();
  process.kill();
  process.thaw();
  process.enter(() => void seen.push("entered"));
  await loop.run(10);
  expect(seen).toEqual(["dead"]);
});

test("a wall clock can be wrong, the monotonic one cannot", async () => {
  const loop = new Loop();
  const process = new SimProcess(loop, "p");
  process.wallOffsetMs = -1_000;
  loop.schedule(1_000, () => undefined);
  await loop.run(500);
  expect(process.clock.monotonicMs()).toBe(500);
  expect(process.clock.wallMs()).toBe(simulationStartMs - 500);
});

test("a seed gives the same numbers, another seed others", () => {
  const numbers = (seed: number): number[] => {
    const random = createRandom(seed);
    return Array.from({ length: 5 }, () => random.between(1, 1_000));
  };
  expect(numbers(1)).toEqual(numbers(1));
  expect(numbers(1)).not.toEqual(numbers(2));
  const random = createRandom(3);
  const drawn = Array.from({ length: 1_000 }, () => random.between(2, 4));
  expect(new Set(drawn)).toEqual(new Set([2, 3, 4]));
  expect(() => random.pick([])).toThrow(RangeError);
});
