import { readdirSync, readFileSync } from "node:fs";

import { boundedEntry, transcriptEntrySchema } from "@reveille/shared/protocol/transcript";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { noUsage } from "../agent-program/fields.js";
import { failureFields } from "../agent-program/failure.js";
import type { StreamEnd } from "../agent-program/stream.js";
import { readClaudeStream } from "./claude-stream.js";

const folder = new URL("./fixtures/", import.meta.url);
const linesOf = (name: string): string[] =>
  readFileSync(new URL(`${name}.ndjson`, folder), "utf8").split("\n");
const nowMs = Date.UTC(2026, 10, 22, 8, 49);
const fresh = { costUsd: 0, usage: noUsage };

function reading(name: string, end: Partial<StreamEnd> = {}, base: typeof fresh | null = fresh) {
  const reader = readClaudeStream({ base });
  const entries = linesOf(name).flatMap((line) => reader.read(line));
  const ended = { exitCode: 0, signal: null, startError: null, stderr: "", nowMs, ...end };
  const conclusion = reader.conclude(ended);
  const { failure } = conclusion;
  return { ...conclusion, entries, fields: failure && failureFields("claude", failure) };
}

describe("runs that did their work", () => {
  test.each([
    ["tool-write", 300, 60, 0.0024, "All done."],
    ["session-id-given", 100, 20, 0.0008, "X"],
    ["auth-token", 100, 20, 0.0008, "x"],
    ["e429-retry-after-2-then-ok", 100, 20, 0.0008, "ok after"],
    ["e500-then-ok", 100, 20, 0.0008, "recovered"],
    ["stream-cut-then-ok", 100, 20, 0.0008, "fine"],
    ["sse-overloaded", 200, 21, 0.0008, "a long enough text to have many pieces in it"],
    ["malformed-json", 200, 21, 0.00144, "a long enough text to have many pieces in it"],
    ["malformed-garbage", 300, 22, 0.00208, "a long enough text to have many pieces in it"],
    ["stream-eof", 300, 22, 0.00208, "a long enough text to have many pieces in it"],
    ["slow-stream", 100, 20, 0.0008, "this is a slow stream of text pieces"],
    ["thinking-and-model", 100, 20, 0.0008, "ans"],
    ["allowedTools-root", 300, 60, 0.0024, "fin"],
    ["perm-acceptEdits-root", 300, 60, 0.0024, "fin"],
    ["perm-default-write-denied", 200, 40, 0.0016, "fin"],
    ["unknown-tool", 200, 40, 0.0016, "fin"],
    ["ok-with-unified-headers-oauth", 100, 20, 0.0004, "fine"],
    ["json-format", 100, 20, 0.0008, "x"],
    // Two results in one process: each counts its own.
    ["stream-json-input", 200, 40, 0.0016, "A2"],
  ])("%s", (name, inputTokens, outputTokens, costUsd, summary) => {
    const { failure, used, ...rest } = reading(name);
    expect(failure).toBeNull();
    expect(used.usage).toEqual({ inputTokens, outputTokens, cachedInputTokens: 0 });
    expect(used.costUsd).toBeCloseTo(costUsd, 9);
    expect(rest.summary).toBe(summary);
    expect(rest.sessionId).toMatch(/^[0-9a-f-]{36}$/);
  });

  test("tokens written to the cache are input, those read from it are cached", () => {
    expect(reading("text").used).toMatchObject({
      usage: { inputTokens: 1234 + 10, outputTokens: 56, cachedInputTokens: 1000 },
      costUsd: 0.006306,
    });
  });
  test("who pays follows from where the key comes from", () => {
    expect(reading("text").billing).toBe("api");
    expect(reading("ok-with-unified-headers-oauth").billing).toBe("subscription");
    expect(reading("resume-unknown", { exitCode: 1 }).billing).toBeNull();
  });
  test("the model is the one that answered", () => {
    expect(reading("thinking-and-model").model).toBe("claude-fake-9");
    expect(reading("unified-reset-oauth", { exitCode: 1 }).model).toBe("claude-sonnet-5-5");
  });
});

describe("a resumed session's cost is counted once", () => {
  test.each([
    ["resume-1", 0, 0.0008],
    ["resume-2", 0.0008, 0.0016],
    ["resume-3-copied-home", 0.0016, 0.0024],
  ])("%s", (name, before, after) => {
    const known = reading(name, {}, { costUsd: before, usage: noUsage });
    expect(known.used.costUsd).toBeCloseTo(0.0008, 9);
    expect(known.used.usage).toMatchObject({ inputTokens: 100, outputTokens: 20 });
    expect(known.totals?.costUsd).toBeCloseTo(after, 9);
    // Without knowing what was before, the program's own split is taken.
    expect(reading(name, {}, null).used.costUsd).toBeCloseTo(0.0008, 9);
  });
  test("what a killed run has cost is counted with the next one", () => {
    const killed = reading("killed-then-resume-1", { exitCode: 143 });
    expect(killed.used).toEqual({
      usage: { inputTokens: 100, outputTokens: 1, cachedInputTokens: 0 },
    });
    expect(killed.totals).toEqual({ costUsd: 0 });
    const next = reading("killed-then-resume-2", {}, { ...fresh, ...killed.totals });
    expect(next.used.costUsd).toBeCloseTo(0.0016, 9);
    expect(next.used.usage).toMatchObject({ inputTokens: 100 });
  });
  test("a total lower than before is of another session", () => {
    expect(reading("text", {}, { costUsd: 5, usage: noUsage }).used.costUsd).toBeCloseTo(0.006306);
  });
});

describe("failures have their own codes", () => {
  test.each([
    ["e403", "claude_auth_required", false],
    ["no-key", "claude_auth_required", false],
    ["e400-credit", "claude_quota_exhausted", false],
    ["e404-model", "claude_model_unavailable", false],
    ["e429-always-max2", "claude_rate_limited", true],
    ["e429-unified-reset", "claude_rate_limited", true],
    ["retry-after-long", "claude_rate_limited", true],
    ["e500-always-max2", "claude_upstream_unavailable", true],
    ["e529-max2", "claude_upstream_unavailable", true],
    ["refused", "claude_upstream_unavailable", true],
    ["stream-cut", "claude_upstream_unavailable", true],
    ["v3-malformed-json", "claude_stream_broken", true],
    ["v3-malformed-garbage", "claude_stream_broken", true],
    ["v3-stream-eof", "claude_stream_broken", true],
    ["v3-sse-overloaded", "claude_stream_broken", true],
    ["max-tokens", "claude_output_limit", false],
    ["max-turns-1", "claude_max_turns", false],
    ["max-budget", "claude_max_budget", false],
    ["endless-loop-cap5", "claude_request_refused", false],
    ["resume-unknown", "claude_session_unknown", false],
    ["resume-bad-id", "claude_session_unknown", false],
  ])("%s is %s", (name, errorCode, transient) => {
    const { fields, entries } = reading(name, { exitCode: 1 });
    expect(fields).toMatchObject({ errorCode, errorMessage: expect.stringMatching(/\w/) });
    expect(fields?.transient ?? false).toBe(transient);
    expect(fields?.retryNotBefore).toBeUndefined();
    expect(entries.some((entry) => entry.kind === "result" && !entry.ok)).toBe(true);
  });

  test("a used-up allowance says when to come again", () => {
    expect(reading("unified-reset-oauth", { exitCode: 1 }).fields).toEqual({
      errorCode: "claude_quota_exhausted",
      errorMessage: "You've hit your 5-hour limit · resets 9:48am (UTC)",
      transient: true,
      retryNotBefore: new Date(1_795_340_939_000).toISOString(),
    });
  });
  test("its own budget: the tokens come from the models' split", () => {
    const { used } = reading("max-budget", { exitCode: 1 });
    expect(used).toMatchObject({ usage: { inputTokens: 5000 }, costUsd: 0.038 });
  });
  test.each([
    ["e401", "claude_auth_required"],
    ["e500-always-default", "claude_upstream_unavailable"],
  ])("ended while it was trying again: %s", (name, errorCode) => {
    expect(reading(name, { exitCode: 143 }).fields).toMatchObject({ errorCode });
  });
  test("an interrupted run is no success although it exits with 0", () => {
    const { fields } = reading("bash-long-sigint");
    expect(fields).toMatchObject({ errorCode: "claude_interrupted" });
  });
  test.each([
    ["bash-long-sigterm", { exitCode: 143 }, "adapter_failed", "claude exited with code 143"],
    ["hang-headers-sigterm", { exitCode: 143 }, "adapter_failed", "claude exited with code 143"],
    ["hang-stream-sigterm", { exitCode: 143 }, "adapter_failed", "claude exited with code 143"],
    [
      "bash-long-sigkill-group",
      { exitCode: null, signal: "SIGKILL" },
      "adapter_failed",
      "claude was killed by SIGKILL",
    ],
    ["text-format-error", { exitCode: 0 }, "claude_incomplete", "claude ended without a result"],
    ["text", { exitCode: 3 }, "adapter_failed", "claude exited with code 3"],
  ])("%s, ended with %j", (name, end, errorCode, errorMessage) => {
    expect(reading(name, end).fields).toEqual({ errorCode, errorMessage });
  });
  test("standard error explains what printed nothing", () => {
    const said = (stderr: string) => {
      const reader = readClaudeStream({ base: fresh });
      const end = { exitCode: 1, signal: null, startError: null, stderr, nowMs };
      return reader.conclude(end).failure;
    };
    const root = "--dangerously-skip-permissions cannot be used with root/sudo privileges";
    expect(said(`warning\n${root}\n`)).toMatchObject({ family: "other", message: root });
    expect(said("Invalid API key")).toMatchObject({ family: "auth_required" });
  });
});

test("tools, thinking and text become the common vocabulary", () => {
  expect(reading("tool-write").entries).toMatchObject([
    { kind: "start", model: "claude-opus-5-5" },
    { kind: "text", text: "I will write." },
    { kind: "tool_call", name: "Write", input: expect.stringContaining("made by agent") },
    { kind: "tool_result", isError: false, text: expect.stringContaining("created") },
    { kind: "tool_call", name: "Bash" },
    { kind: "tool_result", text: "made by agent\n/srv/ws/c-tool" },
    { kind: "text", text: "All done." },
    { kind: "usage", usage: { inputTokens: 300, outputTokens: 60 } },
    { kind: "result", ok: true, text: "All done." },
  ]);
  expect(reading("thinking-and-model").entries).toContainEqual({ kind: "thinking", text: "hmm" });
  expect(reading("e500-then-ok").entries).toContainEqual({
    kind: "error",
    message: "request failed (500), try 1 of 10 follows",
    code: "server_error",
    final: false,
  });
});

test("every recorded line stays within the vocabulary", () => {
  for (const file of readdirSync(folder)) {
    const { entries } = reading(file.replace(".ndjson", ""));
    for (const entry of entries)
      expect(transcriptEntrySchema.safeParse(boundedEntry(entry)).success).toBe(true);
  }
});

test("whatever is printed, nothing is thrown and the answer keeps its form", () => {
  const recorded = readdirSync(folder).flatMap((file) => linesOf(file.replace(".ndjson", "")));
  const broken = fc
    .tuple(fc.constantFrom(...recorded), fc.nat(), fc.nat(), fc.string())
    .map(([line, at, length, text]) => {
      const from = at % (line.length + 1);
      return line.slice(0, from) + text + line.slice(from + (length % 30));
    });
  const shaped = fc.record(
    {
      type: fc.constantFrom("system", "assistant", "user", "result", "rate_limit_event"),
      subtype: fc.oneof(fc.constantFrom("init", "api_retry"), fc.anything()),
      message: fc.oneof(
        fc.record({ content: fc.array(fc.anything()), usage: fc.anything() }),
        fc.anything(),
      ),
      usage: fc.anything(),
      total_cost_usd: fc.anything(),
      rate_limit_info: fc.anything(),
      errors: fc.anything(),
      is_error: fc.anything(),
    },
    { requiredKeys: ["type"] },
  );
  const line = fc.oneof(
    broken,
    fc.string(),
    fc.json(),
    shaped.map(
      (value) =>
        JSON.stringify(value, (_, one: unknown) => (typeof one === "bigint" ? String(one) : one)) ??
        "",
    ),
  );
  fc.assert(
    fc.property(fc.array(line, { maxLength: 30 }), fc.option(fc.integer()), (lines, exitCode) => {
      const reader = readClaudeStream({ base: fresh });
      for (const entry of lines.flatMap((one) => reader.read(one)))
        expect(transcriptEntrySchema.safeParse(boundedEntry(entry)).error).toBeUndefined();
      const end = { exitCode, signal: null, startError: null, stderr: lines.join("\n"), nowMs };
      const { failure } = reader.conclude(end);
      if (failure) failureFields("claude", failure);
    }),
  );
});
