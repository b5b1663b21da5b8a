// A run from its execution to its report: go before start, results, environment, events, log, and what is refused.
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { newId } from "@reveille/shared/protocol/ids";
import { encodePayload } from "@reveille/shared/protocol/codec";
import { eventually, followLog, startRig, subjects } from "./rig.js";
import type { Rig, RunnerProcess } from "./rig.js";

const scratch = mkdtempSync(join(tmpdir(), "reveille-runner-"));
let rig: Rig;
let runner: RunnerProcess;
beforeAll(async () => {
  rig = await startRig(scratch);
  runner = await rig.runner();
});
afterAll(async () => {
  await rig.stop();
  rmSync(scratch, { recursive: true, force: true });
});

const shell = (script: string, more: Record<string, unknown> = {}) => ({
  command: "/bin/sh",
  args: ["-c", script],
  ...more,
});

test("given no answer yet, nothing starts; with the go it does", async () => {
  const witness = join(scratch, "go");
  rig.actor.answer = ({ kind }) => (kind === "started" ? null : "committed");
  const run = await rig.enqueue(shell(`echo x > ${witness}`));
  await rig.actor.until("started", run.runId);
  // The same claim asks again: nothing else shows that it still waits.
  const asked = () =>
    rig.actor.heard.filter((one) => one.kind === "started" && one.report.runId === run.runId);
  await eventually("asked again", () => asked().length >= 2);
  expect(new Set(asked().map((one) => one.report.claimId)).size).toBe(1);
  expect(existsSync(witness)).toBe(false);
  rig.actor.answer = ({ kind }) => (kind === "started" ? "go" : "committed");
  const finished = await rig.actor.until("finished", run.runId);
  expect(finished.result).toMatchObject({ exitCode: 0, signal: null, timedOut: false });
  expect(existsSync(witness)).toBe(true);
});

test("given a no, nothing starts and the execution is gone", async () => {
  const witness = join(scratch, "no");
  rig.actor.answer = ({ kind }) => (kind === "started" ? "no" : "committed");
  const run = await rig.enqueue(shell(`echo x > ${witness}`));
  await rig.actor.until("started", run.runId);
  await eventually("the queue is empty", async () => {
    const info = await rig.bus.jsm.streams.info("EXEC");
    return info.state.messages === 0;
  });
  expect(existsSync(witness)).toBe(false);
  rig.actor.answer = ({ kind }) => (kind === "started" ? "go" : "committed");
});

test("reports exit, output, excerpts, the sealed log and the invocation [E7] [E9] [O4]", async () => {
  const follow = newId();
  const companyId = newId();
  const log = followLog(rig.bus, { companyId, runId: follow });
  await rig.bus.flush();
  const run = await rig.enqueue(shell("echo out; echo err >&2; exit 3"), {
    runId: follow,
    companyId,
  });
  const finished = await rig.actor.until("finished", run.runId);
  expect(finished.result).toEqual({
    exitCode: 3,
    signal: null,
    timedOut: false,
    errorMessage: "Process exited with code 3",
    resultJson: { stdout: "out\n", stderr: "err\n" },
  });
  expect(finished.stdoutExcerpt).toBe("out\n");
  expect(finished.stderrExcerpt).toBe("err\n");
  expect(["cgroup", "best_effort"]).toContain(finished.containment);
  expect(finished.events).toHaveLength(1);
  expect(finished.events[0]).toMatchObject({
    eventType: "adapter.invoke",
    message: "adapter invocation",
    payload: { adapterType: "process", command: "/bin/sh", cwd: join(scratch, run.agentId) },
  });
  expect(finished.log.bytes).toBe(8);
  await eventually("the end of the log", () => log.end);
  expect(log.end).toBe(`chunks=2; bytes=8; sha256=${finished.log.sha256}`);
  expect(log.sha256()).toBe(finished.log.sha256);
  expect(log.complete()).toBe(true);
});

test("a run that lasts tells its invocation before its end", async () => {
  const run = await rig.enqueue(shell("sleep 0.3"));
  const progress = await rig.actor.until("progress", run.runId);
  expect(progress).toMatchObject({ progressId: 1, events: [{ eventType: "adapter.invoke" }] });
  const finished = await rig.actor.until("finished", run.runId);
  expect(finished).toMatchObject({ events: [], progressCount: 1 });
});

test("the environment holds what it should, and not the runner's secrets [B32]", async () => {
  const run = await rig.enqueue(
    shell("env", { env: { FOO: "bar", MY_TOKEN: "s3cret", LD_PRELOAD: "/tmp/x.so" } }),
    { context: { wakeReason: "issue_commented", wakeCommentId: "c1", issueIds: ["a", "b"] } },
  );
  const { result, events } = await rig.actor.until("finished", run.runId);
  const stdout = (result.resultJson as { stdout: string }).stdout;
  const env = Object.fromEntries(stdout.split("\n").map((line) => line.split(/=(.*)/s, 2)));
  for (const prefix of ["REVEILLE", "PAPERCLIP"])
    expect(env).toMatchObject({
      [`${prefix}_AGENT_ID`]: run.agentId,
      [`${prefix}_COMPANY_ID`]: run.companyId,
      [`${prefix}_RUN_ID`]: run.runId,
      [`${prefix}_WAKE_REASON`]: "issue_commented",
      [`${prefix}_WAKE_COMMENT_ID`]: "c1",
      [`${prefix}_LINKED_ISSUE_IDS`]: "a,b",
    });
  expect(env).toMatchObject({ FOO: "bar", MY_TOKEN: "s3cret" });
  for (const name of ["RUNNER_SECRET", "NATS_URL", "LD_PRELOAD"])
    expect(env).not.toHaveProperty(name);
  const invocation = events.find((event) => event.eventType === "adapter.invoke");
  expect(invocation?.payload).toMatchObject({ env: { FOO: "bar", MY_TOKEN: "***REDACTED***" } });
  expect(
    events.some((event) => event.level === "warn" && event.message?.includes("LD_PRELOAD")),
  ).toBe(true);
});

test.each([
  [
    { command: "no-such-cmd-xyz", cwd: "/tmp" },
    /^Failed to start command "no-such-cmd-xyz" in "\/tmp"\. Verify adapter command, working directory, and PATH \(.+\)\.$/,
  ],
  [{}, /^Process adapter missing command$/],
  [{ command: "/etc/passwd" }, /Permission denied/],
  [{ command: "true", cwd: "/no/such/place" }, /working directory does not exist/],
  [{ command: "true", cwd: "relative" }, /adapterConfig\.cwd must be an absolute path/],
  [{ command: "true", args: "x" }, /adapterConfig\.args must be/],
  [
    { command: "true", env: { KEY: { type: "secret_ref", secretId: "x" } } },
    /adapterConfig\.env\.KEY/,
  ],
])("what cannot start fails with a reason: %j", async (adapterConfig, message) => {
  const run = await rig.enqueue(adapterConfig);
  const { result } = await rig.actor.until("finished", run.runId);
  expect(result.errorMessage).toMatch(message);
  expect(result).toMatchObject({ exitCode: null, signal: null, timedOut: false });
});

test("an adapter that this runner has not is a failed run [E14]", async () => {
  const run = await rig.enqueue({}, { adapterType: "telepathy" });
  const { result } = await rig.actor.until("finished", run.runId);
  expect(result).toMatchObject({ errorCode: "adapter_unknown", exitCode: null });
});

test("death by a signal is named, a time limit too", async () => {
  const killed = await rig.enqueue(shell("kill -9 $$"));
  const late = await rig.enqueue({ command: "sleep", args: ["30"], timeoutSec: 1, graceSec: 1 });
  expect((await rig.actor.until("finished", killed.runId)).result).toMatchObject({
    exitCode: null,
    signal: "SIGKILL",
    errorMessage: "Process was killed by SIGKILL",
  });
  const { result } = await rig.actor.until("finished", late.runId);
  expect(result).toEqual({
    exitCode: null,
    signal: "SIGTERM",
    timedOut: true,
    errorMessage: "Timed out after 1s",
    errorCode: "timeout",
  });
});

test("noop does all of it without a process", async () => {
  const run = await rig.enqueue({ delayMs: 5, exitCode: 0 }, { adapterType: "noop" });
  const finished = await rig.actor.until("finished", run.runId);
  expect(finished).toMatchObject({
    result: { exitCode: 0 },
    containment: "in_process",
    log: { bytes: 0 },
  });
});

test("garbage in the queue is dropped, and what comes after it runs", async () => {
  const companyId = newId();
  await rig.bus.js.publish(
    subjects.execution("default", companyId, newId(), 1),
    Buffer.from("garbage"),
  );
  await rig.bus.js.publish(
    subjects.execution("default", companyId, newId(), 1),
    encodePayload({ runId: "a.b", attempt: "x" }),
  );
  const run = await rig.enqueue({ command: "true" });
  await rig.actor.until("finished", run.runId);
  await eventually(
    "the queue is empty",
    async () => (await rig.bus.jsm.streams.info("EXEC")).state.messages === 0,
  );
  expect(
    runner.lines.filter((line) => line.includes("cannot be read and is dropped")),
  ).toHaveLength(2);
});

test("garbage as answers and controls changes nothing", async () => {
  const lease =
    (await rig.bus.jsm.streams.info("KV_runner-leases", { subjects_filter: ">" })).state.subjects ??
    {};
  for (const subject of Object.keys(lease)) {
    const incarnation = subject.split(".").at(-1)!;
    for (const bytes of ["garbage", "\xc1", "", "\x80"])
      rig.bus.publish(subjects.answer(incarnation), Buffer.from(bytes, "latin1"));
  }
  rig.bus.publish(subjects.control(newId(), newId()), Buffer.from("garbage"));
  const run = await rig.enqueue({ command: "true" });
  expect((await rig.actor.until("finished", run.runId)).result.exitCode).toBe(0);
});

test("an execution delivered twice runs once", async () => {
  const witness = join(scratch, "twice");
  writeFileSync(witness, "");
  const run = await rig.enqueue(shell(`echo $$ >> ${witness}; sleep 0.3`));
  await rig.actor.until("started", run.runId);
  await rig.bus.js.publish(
    subjects.execution("default", run.companyId, run.runId, run.attempt),
    encodePayload(run),
  );
  await rig.actor.until("finished", run.runId);
  await eventually(
    "the queue is empty",
    async () => (await rig.bus.jsm.streams.info("EXEC")).state.messages === 0,
  );
  expect(readFileSync(witness, "utf8").trim().split("\n")).toHaveLength(1);
});

test("a second report is sent until it is answered", async () => {
  let left = 2;
  rig.actor.answer = ({ kind }) =>
    kind === "started" ? "go" : kind === "finished" && left-- > 0 ? null : "committed";
  const run = await rig.enqueue({ command: "true" });
  const reports = () =>
    rig.actor.heard.filter((one) => one.kind === "finished" && one.report.runId === run.runId);
  await eventually("three reports", () => reports().length === 3, 15_000);
  rig.actor.answer = ({ kind }) => (kind === "started" ? "go" : "committed");
});
