// What of a run's result is judged and kept: reports of the agent itself merged in, and every bound.
import { expect, test } from "vitest";
import { boundJson, mergePatches, mergeReported, resultJson } from "./run-result.js";
import { resultOf } from "./testing/fixtures.js";

test("the adapter's own word stands; what it leaves open is filled by what was reported", () => {
  const patch = { model: "m", provider: "p", summary: "done", resultJson: { ok: true } };
  expect(mergeReported(resultOf({ model: "mine" }), patch)).toMatchObject({
    model: "mine",
    provider: "p",
    summary: "done",
    resultJson: { ok: true },
  });
});

test.each([
  [{ errorMessage: "no" }, { errorMessage: "no" }],
  [{ errorCode: "bad" }, { errorMessage: "The agent reported a failure", errorCode: "bad" }],
])("a reported error fails the run: %j", (patch, expected) => {
  expect(mergeReported(resultOf(), patch)).toMatchObject(expected);
});

test("session fields are taken from one side, never mixed", () => {
  const patch = { sessionId: "reported", sessionParams: { thread: 1 } };
  expect(mergeReported(resultOf({ sessionId: "own" }), patch).sessionParams).toBeUndefined();
  expect(mergeReported(resultOf({ sessionId: null }), patch)).toMatchObject(patch);
  expect(mergeReported(resultOf({ sessionId: null }), {})).toMatchObject({ sessionId: null });
});

test("a later report replaces the fields that it names, and no other", () => {
  const usage = { inputTokens: 1, outputTokens: 1, cachedInputTokens: 0 };
  expect(
    mergePatches(
      { summary: "a", model: "m" },
      { summary: "b", usage, costUsd: 1, model: undefined },
    ),
  ).toEqual({ summary: "b", model: "m" });
});

test("a summary stands in the result, where lists look for it [O4]", () => {
  expect(resultJson(resultOf())).toBeNull();
  expect(resultJson(resultOf({ summary: "s" }))).toEqual({ summary: "s" });
  expect(resultJson(resultOf({ summary: "s", resultJson: { summary: "own" } }))).toEqual({
    summary: "own",
  });
});

const bytesOf = (json: object): number => Buffer.byteLength(JSON.stringify(json));

test("a result within its bound is kept as it is [B33]", () => {
  const json = { text: "x".repeat(60_000), list: Array.from({ length: 100 }, (_, i) => i) };
  expect(boundJson(json)).toBe(json);
});

test("of one that is too large, long texts and lists are cut, and it says so [B33]", () => {
  const json = {
    status: "ok",
    stdout: "x".repeat(100_000),
    list: Array.from({ length: 100 }, (_, i) => ({ i })),
  };
  const cut = boundJson(json);
  expect(cut).toMatchObject({ status: "ok", _cut: { reason: expect.stringContaining("bytes") } });
  expect(cut["stdout"]).toMatch(/^x{4096} … \(95904 characters cut\)$/);
  expect(cut["list"]).toHaveLength(51);
  expect(bytesOf(cut)).toBeLessThanOrEqual(64 * 1024);
});

test("of one that is too large even so, its beginning is kept [B33]", () => {
  const json = Object.fromEntries(
    Array.from({ length: 3_000 }, (_, i) => [`key ${i}`, "☃".repeat(20)]),
  );
  const cut = boundJson(json);
  expect(Object.keys(cut)).toEqual(["_cut", "beginning"]);
  expect(bytesOf(cut)).toBeLessThanOrEqual(64 * 1024);
});

test("a cut never leaves half a character [B33]", () => {
  const cut = boundJson({ text: "😀".repeat(40_000) });
  expect(JSON.stringify(cut)).not.toMatch(/\\ud[89ab]/i);
});
