import { expect, test } from "vitest";
import { readReport, readReportLine, usageOf } from "./reported-result.js";

test("what an agent may say of its work is taken", () => {
  const said = {
    usage: { inputTokens: 1, outputTokens: 2 },
    costUsd: 0.25,
    provider: "p",
    model: "m",
    billingType: "api",
    sessionId: "s",
    sessionParams: { cwd: "/x" },
    sessionDisplayId: "d",
    clearSession: false,
    resultJson: { a: [1] },
    summary: "done",
    errorMessage: "half of it",
    errorCode: "half",
    transient: true,
    retryNotBefore: "2026-01-01T00:00:00Z",
  };
  const { reported, wrong } = readReport(said);
  expect(wrong).toEqual([]);
  expect(reported).toEqual({ ...said, usage: { ...said.usage, cachedInputTokens: 0 } });
  expect(usageOf(reported)).toEqual({ usage: reported.usage, costUsd: 0.25 });
});

test("a wrong field is named and takes no other with it", () => {
  const { reported, wrong } = readReport({
    model: 7,
    costUsd: 1,
    exitCode: 0,
    usage: { inputTokens: -1 },
    summary: null,
  });
  expect(reported).toEqual({ costUsd: 1 });
  expect(wrong).toEqual([
    expect.stringContaining("model"),
    "exitCode is not known",
    expect.stringContaining("usage.inputTokens"),
  ]);
});

test.each([
  ["{", "no JSON"],
  ["[1]", "JSON object"],
  ['"x"', "JSON object"],
  ["null", "JSON object"],
])("%s is nothing, and said to be", (line, why) => {
  const { reported, wrong } = readReportLine(line);
  expect(reported).toEqual({});
  expect(wrong[0]).toContain(why);
  expect(usageOf(reported)).toBeNull();
});
