import { expect, test, vi } from "vitest";
import { boundedInvocation } from "./invocation.js";
import { processResult, stoppedResult } from "./outcome.js";
import { createStopLine, strongerStop } from "./stop.js";
import type { Stop } from "./stop.js";

const output = () => ({ stdout: "o", stderr: "e" });
const cancel: Stop = { kind: "cancel" };
const timeout: Stop = { kind: "timeout", sec: 7 };
const lost: Stop = { kind: "lost", reason: "deadline" };

test.each([
  [
    "success",
    { exitCode: 0, signal: null, startError: null },
    null,
    { exitCode: 0, resultJson: output() },
  ],
  [
    "a code",
    { exitCode: 3, signal: null, startError: null },
    null,
    { errorMessage: "Process exited with code 3" },
  ],
  [
    "a signal",
    { exitCode: null, signal: "SIGKILL", startError: null },
    null,
    { errorMessage: "Process was killed by SIGKILL" },
  ],
  [
    "a limit",
    { exitCode: 0, signal: null, startError: null },
    timeout,
    { timedOut: true, errorMessage: "Timed out after 7s", errorCode: "timeout" },
  ],
  [
    "silence",
    { exitCode: null, signal: "SIGTERM", startError: null },
    { kind: "idle", sec: 60 },
    { timedOut: true, errorMessage: "No output for 60s", errorCode: "idle_timeout" },
  ],
  [
    "no start",
    { exitCode: null, signal: null, startError: "why" },
    timeout,
    { timedOut: false, errorMessage: "why", errorCode: "adapter_failed", threw: true },
  ],
] as const)("given %s", (_, end, stop, expected) => {
  expect(stoppedResult(processResult(end, output), stop)).toMatchObject(expected);
});

test.each([
  [null, cancel, cancel],
  [cancel, timeout, cancel],
  [timeout, cancel, timeout],
  [cancel, lost, lost],
  [lost, cancel, lost],
] as const)("of %j and then %j, %j counts", (first, then, expected) => {
  expect(strongerStop(first, then)).toEqual(expected);
});

test("a stop is heard once for each reason that counts, also by who comes late", () => {
  const line = createStopLine();
  const early = vi.fn();
  line.listen(early);
  line.ask(cancel);
  line.ask(timeout);
  line.ask(lost);
  line.ask(lost);
  const late = vi.fn();
  line.listen(late);
  expect(early.mock.calls).toEqual([[cancel], [lost]]);
  expect(late.mock.calls).toEqual([[lost]]);
});

test("an invocation stays small whatever was configured", () => {
  const payload = boundedInvocation({
    adapterType: "process",
    command: "c",
    commandArgs: Array.from({ length: 5_000 }, () => "x".repeat(100)),
    cwd: "/",
    env: { A: "b" },
  });
  expect(JSON.stringify(payload).length).toBeLessThan(70_000);
  expect(
    boundedInvocation({
      adapterType: "p",
      command: "c",
      commandArgs: ["a"],
      cwd: "/",
      env: { A: "b" },
    }),
  ).toEqual({ adapterType: "p", command: "c", commandArgs: ["a"], cwd: "/", env: { A: "b" } });
});
