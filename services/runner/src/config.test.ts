import { expect, test } from "vitest";
import { readRunnerConfig } from "./config.js";

test("everything has a default", () => {
  expect(readRunnerConfig({}, [])).toMatchObject({
    pool: "default",
    slots: 16,
    once: false,
    guardDeadlineMs: 20_000,
    containment: "auto",
  });
});

test("--once takes one slot", () => {
  expect(readRunnerConfig({ REVEILLE_RUNNER_SLOTS: "8" }, ["--once"])).toMatchObject({
    slots: 1,
    once: true,
    onceWaitMs: 60_000,
  });
});

test.each([
  [{ REVEILLE_RUNNER_SLOTS: "0" }, [], /REVEILLE_RUNNER_SLOTS/],
  [{ REVEILLE_RUNNER_POOL: "No.Pool" }, [], /REVEILLE_RUNNER_POOL/],
  [{ REVEILLE_RUNNER_GUARD_DEADLINE_MS: "30000" }, [], /REVEILLE_RUNNER_GUARD_DEADLINE_MS/],
  [{ REVEILLE_RUNNER_ONCE_WAIT_MS: "-1" }, [], /REVEILLE_RUNNER_ONCE_WAIT_MS/],
  [{ REVEILLE_RUNNER_CONTAINMENT: "jail" }, [], /REVEILLE_RUNNER_CONTAINMENT/],
  [{}, ["--twice"], /--twice/],
])("%j %j is refused with its name", (env, args, message) => {
  expect(() => readRunnerConfig(env, args)).toThrow(message);
});
