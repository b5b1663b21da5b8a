import { expect, test } from "vitest";
import { budgetReasons, cancelledBy, outcomeOf, wakeStatusOf } from "./outcome.js";
import { resultOf } from "./testing/fixtures.js";

test.each([
  [{}, "succeeded", null, null],
  [{ exitCode: null }, "succeeded", null, null],
  [{ exitCode: 3 }, "failed", "Adapter failed", "adapter_failed"],
  [{ errorMessage: "no" }, "failed", "no", "adapter_failed"],
  [{ errorMessage: "" }, "succeeded", null, null],
  [
    { exitCode: 3, errorMessage: "Process exited with code 3", errorCode: "special" },
    "failed",
    "Process exited with code 3",
    "special",
  ],
  [
    { exitCode: null, signal: "SIGKILL" },
    "failed",
    "Process was killed by SIGKILL",
    "adapter_failed",
  ],
  [{ timedOut: true }, "timed_out", "Timed out", "timeout"],
  [
    { timedOut: true, exitCode: 1, errorMessage: "Timed out after 5s" },
    "timed_out",
    "Timed out after 5s",
    "timeout",
  ],
  [{ timedOut: true, errorCode: "idle_timeout" }, "timed_out", "Timed out", "idle_timeout"],
] as const)("%j comes to %s, %j, %j [O1] [O2] [O3]", (result, status, error, errorCode) => {
  expect(outcomeOf(resultOf(result), null)).toEqual({ status, error, errorCode });
});

test("the exit code decides, whatever the program says of itself [O9]", () => {
  const said = { exitCode: 2, resultJson: { result: "all done" }, summary: "success" };
  expect(outcomeOf(resultOf(said), null)).toMatchObject({ status: "failed" });
});

test.each([{}, { timedOut: true }, { exitCode: 1, errorMessage: "no" }, { threw: true }])(
  "a cancel that was asked for stands above %j [O1] [O2]",
  (result) => {
    expect(outcomeOf(resultOf(result), { reason: "enough" })).toEqual({
      status: "cancelled",
      error: "enough",
      errorCode: "cancelled",
    });
  },
);

test("a run that a budget stopped says so by its code", () => {
  for (const reason of Object.values(budgetReasons))
    expect(cancelledBy(reason)).toEqual({
      status: "cancelled",
      error: reason,
      errorCode: "budget_exceeded",
    });
});

test("the wake ends with its run, by its own word for success [O5]", () => {
  const statuses = ["succeeded", "failed", "cancelled", "timed_out"] as const;
  expect(statuses.map(wakeStatusOf)).toEqual(["completed", "failed", "cancelled", "timed_out"]);
});
