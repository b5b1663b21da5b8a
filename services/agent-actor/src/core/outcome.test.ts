import { expect, test } from "vitest";
import { costMicrosOf, sessionAfter, usageJson } from "./outcome.js";
import { resultOf } from "./testing/fixtures.js";

test.each([
  [{}, null],
  [
    { usage: { inputTokens: 1, outputTokens: 2, cachedInputTokens: 3 } },
    { inputTokens: 1, outputTokens: 2, cachedInputTokens: 3 },
  ],
  [{ costUsd: 0 }, { costUsd: 0 }],
  [
    { costUsd: 0.5, billingType: "api" },
    { costUsd: 0.5, billingType: "api" },
  ],
] as const)("O4 what %j leaves as usage", (result, expected) => {
  expect(usageJson(resultOf(result))).toEqual(expected);
});

test.each([
  [undefined, 0],
  [null, 0],
  [0.000_001, 1],
  [0.004, 4_000],
  [1.5, 1_500_000],
  [-1, 0],
])("B26 %j dollars are %i micro-dollars", (costUsd, micros) => {
  expect(costMicrosOf(resultOf({ costUsd }))).toBe(micros);
});

test.each([
  ["S1 cleared", { clearSession: true, sessionId: "a" }, null],
  ["S2 nothing said", {}, "before"],
  ["S7 the id", { sessionId: "a", sessionParams: { sessionId: "b" }, sessionDisplayId: "c" }, "a"],
  ["S7 the parameters", { sessionParams: { sessionId: "b" }, sessionDisplayId: "c" }, "b"],
  ["S7 the display id", { sessionParams: { sessionId: 7 }, sessionDisplayId: "c" }, "c"],
] as const)("the session after a run: %s", (_, result, expected) => {
  expect(sessionAfter(resultOf(result), "before")).toBe(expected);
});
