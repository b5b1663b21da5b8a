import { readdirSync, readFileSync } from "node:fs";
import { boundedEntry, transcriptEntrySchema } from "@reveille/shared/protocol/transcript";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { failureFields } from "../agent-program/failure.js";
import { noUsage } from "../agent-program/fields.js";
import type { StreamEnd } from "../agent-program/stream.js";
import { readCodexStream } from "./codex-stream.js";

const folder = new URL("./fixtures/", import.meta.url);
const linesOf = (name: string): string[] =>
  readFileSync(new URL(`${name}.ndjson`, folder), "utf8").split("\n");
const nowMs = Date.UTC(2026, 10, 22, 8, 38);
const fresh = { usage: noUsage };
const tokens = (inputTokens: number, outputTokens: number, cachedInputTokens = 0) => ({
  inputTokens,
  outputTokens,
  cachedInputTokens,
});

function reading(name: string, end: Partial<StreamEnd> = {}, base: typeof fresh | null = fresh) {
  const reader = readCodexStream({ base });
  const entries = linesOf(name).flatMap((line) => reader.read(line));
  const ended = { exitCode: 0, signal: null, startError: null, stderr: "", nowMs, timeZone: "UTC" };
  const conclusion = reader.conclude({ ...ended, ...end });
  const { failure } = conclusion;
  const { waitingCount } = reader;
  return {
    ...conclusion,
    entries,
    waitingCount,
    fields: failure && failureFields("codex", failure),
  };
}

describe("runs that did their work", () => {
  test.each([
    ["text", tokens(1234, 56, 1000), "Hello from the fake model"],
    ["slow-stream", tokens(100, 20), "this is a slow stream of text pieces"],
    ["tool-exec", tokens(200, 40), "All done."],
    ["tool-exec-fail", tokens(200, 40), "It failed."],
    ["tool-apply-patch-via-exec", tokens(200, 40), "Patched."],
    ["tool-apply-patch-custom", tokens(200, 40), "Patched."],
    ["tool-apply-patch-custom-codex-model", tokens(200, 40), "Patched."],
    ["e429-retry-after", tokens(100, 20), "ok after"],
    ["e500-then-ok", tokens(100, 20), "recovered"],
    ["stream-cut-then-ok", tokens(100, 20), "fine"],
    ["builtin-openai-provider", tokens(100, 20), "hi"],
    ["default-perms-write", tokens(200, 40), "hi"],
    ["sandbox-workspace-write", tokens(200, 40), "end"],
    ["ephemeral", tokens(100, 20), "hi"],
    ["killed-2-resume", tokens(100, 20), "resumed"],
  ])("%s", (name, usage, summary) => {
    const { failure, used, sessionId, ...rest } = reading(name);
    expect(failure).toBeNull();
    expect(used).toEqual({ usage });
    expect(rest.summary).toBe(summary);
    expect(sessionId).toMatch(/^[0-9a-f-]{36}$/);
  });
});

describe("a thread's counters go on, a run's do not", () => {
  test.each([
    ["resume-1", tokens(0, 0), tokens(100, 20)],
    ["resume-2", tokens(100, 20), tokens(200, 40)],
    ["resume-3-copied-home", tokens(200, 40), tokens(300, 60)],
  ])("%s", (name, before, after) => {
    const { used, totals } = reading(name, {}, { usage: before });
    expect(used).toEqual({ usage: tokens(100, 20) });
    expect(totals).toEqual({ usage: after });
  });
  test("of a thread whose past is not known nothing is counted, and it is known from then on", () => {
    const { used, totals } = reading("resume-3-copied-home", {}, null);
    expect(used).toEqual({});
    expect(totals).toEqual({ usage: tokens(300, 60) });
  });
  test("counters that are lower than before have begun anew", () => {
    expect(reading("resume-1", {}, { usage: tokens(500, 90) }).used).toEqual({
      usage: tokens(100, 20),
    });
  });
  test("a killed run leaves the totals as they were: the next one counts its part", () => {
    const { totals, used } = reading(
      "killed-1",
      { exitCode: null, signal: "SIGTERM" },
      { usage: tokens(7, 8) },
    );
    expect(used).toEqual({});
    expect(totals).toEqual({ usage: tokens(7, 8) });
  });
});

describe("failures have their own codes", () => {
  test.each([
    ["e401", "codex_auth_required", false],
    ["no-key", "codex_auth_required", false],
    ["e429-always", "codex_rate_limited", true],
    ["e429-quota", "codex_quota_exhausted", false],
    ["e500-always", "codex_upstream_unavailable", true],
    ["default-retries-500", "codex_upstream_unavailable", true],
    ["stream-cut", "codex_upstream_unavailable", true],
    ["malformed-json", "codex_stream_broken", true],
    ["malformed-garbage", "codex_stream_broken", true],
    ["stream-eof", "codex_stream_broken", true],
    ["idle-timeout-2s", "codex_stream_broken", true],
  ])("%s is %s", (name, errorCode, transient) => {
    const { fields } = reading(name, { exitCode: 1 });
    expect(fields).toMatchObject({ errorCode, errorMessage: expect.stringMatching(/\w/) });
    expect(fields?.transient ?? false).toBe(transient);
    expect(fields?.retryNotBefore).toBeUndefined();
  });
  test("a used-up allowance says when to come again", () => {
    expect(reading("e429-usage-limit", { exitCode: 1 }).fields).toMatchObject({
      errorCode: "codex_quota_exhausted",
      transient: true,
      retryNotBefore: "2026-11-22T09:38:00.000Z",
    });
  });
  test("an unknown session is told on standard error alone", () => {
    const stderr = "Error: thread/resume failed: no rollout found for thread id 0199\n";
    const { fields, sessionId } = reading("resume-unknown", { exitCode: 1, stderr });
    expect(fields).toMatchObject({ errorCode: "codex_session_unknown" });
    expect(sessionId).toBeNull();
  });
  test("a service that cannot be reached is waited for without end, which can be seen", () => {
    expect(reading("refused").waitingCount).toBe(4);
    const { fields } = reading("refused", { exitCode: null, signal: "SIGTERM" });
    expect(fields).toMatchObject({ errorCode: "codex_upstream_unavailable", transient: true });
    expect(reading("e401").waitingCount).toBe(0);
  });
  test.each([
    "hang-headers-sigterm",
    "hang-stream-sigterm",
    "exec-sleep-sigterm",
    "native-sigterm",
    "killed-1",
  ])("%s, killed", (name) => {
    const { fields } = reading(name, { exitCode: null, signal: "SIGTERM" });
    expect(fields).toEqual({
      errorCode: "adapter_failed",
      errorMessage: "codex was killed by SIGTERM",
    });
  });
  test("an end without a result is none", () => {
    expect(reading("killed-1").fields).toMatchObject({ errorCode: "codex_incomplete" });
  });
});

test("commands, changes and thoughts become the common vocabulary", () => {
  expect(reading("tool-exec").entries).toMatchObject([
    { kind: "start", model: null },
    { kind: "error", final: false, message: expect.stringContaining("Model metadata") },
    { kind: "text", text: "I will run." },
    { kind: "tool_call", name: "command", input: expect.stringContaining("echo hi") },
    { kind: "tool_result", isError: false, text: "hi\n/srv/ws/x-tool-exec\n" },
    { kind: "text", text: "All done." },
    { kind: "usage", usage: tokens(200, 40) },
    { kind: "result", ok: true, text: "All done." },
  ]);
  expect(reading("tool-exec-fail").entries).toContainEqual(
    expect.objectContaining({ kind: "tool_result", isError: true, text: "bad\n" }),
  );
  expect(reading("tool-apply-patch-via-exec").entries).toContainEqual(
    expect.objectContaining({
      kind: "tool_result",
      text: expect.stringMatching(/^add .*out\.txt$/),
    }),
  );
  expect(reading("ephemeral").entries).toContainEqual({ kind: "thinking", text: "thoughts" });
});

test("whatever is printed, nothing is thrown and the answer keeps its form", () => {
  const recorded = readdirSync(folder).flatMap((file) => linesOf(file.replace(".ndjson", "")));
  const broken = fc
    .tuple(fc.constantFrom(...recorded), fc.nat(), fc.nat(), fc.string())
    .map(([line, at, length, text]) => {
      const from = at % (line.length + 1);
      return line.slice(0, from) + text + line.slice(from + (length % 30));
    });
  const item = fc.record({
    type: fc.constantFrom(
      "command_execution",
      "file_change",
      "mcp_tool_call",
      "web_search",
      "error",
    ),
    id: fc.jsonValue(),
    changes: fc.jsonValue(),
    result: fc.jsonValue(),
    error: fc.jsonValue(),
  });
  const shaped = fc.record({
    type: fc.constantFrom(
      "item.started",
      "item.completed",
      "turn.completed",
      "turn.failed",
      "error",
    ),
    item: fc.oneof(item, fc.jsonValue()),
    usage: fc.jsonValue(),
    error: fc.jsonValue(),
    message: fc.jsonValue(),
  });
  const line = fc.oneof(
    broken,
    fc.string(),
    fc.json(),
    shaped.map((value) => JSON.stringify(value)),
  );
  fc.assert(
    fc.property(fc.array(line, { maxLength: 30 }), fc.option(fc.integer()), (lines, exitCode) => {
      const reader = readCodexStream({ base: fresh });
      for (const entry of lines.flatMap((one) => reader.read(one)))
        expect(transcriptEntrySchema.safeParse(boundedEntry(entry)).error).toBeUndefined();
      const end = { exitCode, signal: null, startError: null, stderr: lines.join("\n"), nowMs };
      const { failure } = reader.conclude(end);
      if (failure) failureFields("codex", failure);
    }),
  );
});
