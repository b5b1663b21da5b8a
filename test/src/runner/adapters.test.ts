// What adapters do in a runner: results from a file, usage on the way, limits of silence, packages, and questions about them.
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { decodeTrusted, encodePayload } from "@reveille/shared/protocol/codec";
import type { Execution } from "@reveille/shared/protocol/execution";
import { newId } from "@reveille/shared/protocol/ids";
import { probeAnswerSchema } from "@reveille/shared/protocol/probe";
import type { ProbeRequest } from "@reveille/shared/protocol/probe";
import { eventually, isAlive, startRig, subjects, witnesses } from "./rig.js";
import type { Rig } from "./rig.js";

const scratch = mkdtempSync(join(tmpdir(), "reveille-adapters-"));
const example = fileURLToPath(new URL("../../../examples/adapter-echo", import.meta.url));
/** Where the runner is started, and where a package is installed. */
const place = join(scratch, "place");
let rig: Rig;
beforeAll(async () => {
  mkdirSync(join(place, "node_modules"), { recursive: true });
  symlinkSync(example, join(place, "node_modules", "reveille-adapter-echo"));
  rig = await startRig(scratch);
  await rig.runner({ REVEILLE_RUNNER_ADAPTERS: "reveille-adapter-echo" }, [], place);
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
const finished = ({ runId }: Execution) => rig.actor.until("finished", runId);
const progressOf = ({ runId }: Execution) =>
  rig.actor.heard.filter((one) => one.kind === "progress" && one.report.runId === runId);
const warnings = (events: readonly { level?: unknown; message?: unknown }[]) =>
  events.filter(({ level }) => level === "warn").map(({ message }) => String(message));

describe("a process tells its result", () => {
  test("the last line of its file is the result, and the file is gone afterwards", async () => {
    const path = join(scratch, "told");
    const line = JSON.stringify({
      usage: { inputTokens: 7, outputTokens: 3 },
      costUsd: 0.02,
      model: "m",
      sessionParams: { sessionId: "s-1" },
      resultJson: { answer: 42 },
      summary: "done",
    });
    const run = await rig.enqueue(
      shell(
        `echo $REVEILLE_RESULT_FILE >${path}; echo '{"summary":"no"}' >$REVEILLE_RESULT_FILE; echo '${line}' >>$REVEILLE_RESULT_FILE`,
      ),
    );
    const { result, events } = await finished(run);
    expect(result).toMatchObject({
      exitCode: 0,
      usage: { inputTokens: 7, outputTokens: 3, cachedInputTokens: 0 },
      costUsd: 0.02,
      model: "m",
      sessionParams: { sessionId: "s-1" },
      resultJson: { answer: 42 },
      summary: "done",
    });
    expect(warnings(events)).toEqual([]);
    const file = readFileSync(path, "utf8").trim();
    expect(file).toContain(run.runId);
    await eventually("the file is gone", () => !existsSync(file));
  });

  test("the exit code decides, whatever the file says [O9]", async () => {
    const run = await rig.enqueue(
      shell(`echo '{"summary":"all is well","costUsd":1}' >$REVEILLE_RESULT_FILE; exit 4`),
    );
    const { result } = await finished(run);
    expect(result).toMatchObject({
      exitCode: 4,
      errorMessage: "Process exited with code 4",
      costUsd: 1,
    });
  });

  test("a process that ends well may still say that it failed, and why", async () => {
    const said =
      '{"errorMessage":"no quota","errorCode":"quota","transient":true,"retryNotBefore":"2030-01-01T00:00:00Z"}';
    const { result } = await finished(
      await rig.enqueue(shell(`echo '${said}' >$REVEILLE_RESULT_FILE`)),
    );
    expect(result).toMatchObject({ exitCode: 0, ...(JSON.parse(said) as object) });
  });

  test.each([
    ["{oops", "no JSON"],
    ['{"costUsd":"much","summary":"kept"}', "costUsd"],
    ["[]", "must be a JSON object"],
  ])("%s is a warning, and no failure", async (line, why) => {
    const { result, events } = await finished(
      await rig.enqueue(shell(`echo '${line}' >$REVEILLE_RESULT_FILE`)),
    );
    expect(result).toMatchObject({ exitCode: 0 });
    expect(result.errorMessage).toBeUndefined();
    expect(warnings(events).join()).toContain(why);
  });

  test("usage is told on the way, and what was told is not lost with the process", async () => {
    const line = (cost: number) => `echo '{"costUsd":${cost}}' >>$REVEILLE_RESULT_FILE`;
    const run = await rig.enqueue(shell(`${line(0.1)}; sleep 1.2; ${line(0.4)}; sleep 60`));
    await eventually("the second figure", () =>
      progressOf(run).some(({ report }) => report.usage?.costUsd === 0.4),
    );
    const reports = progressOf(run).map(({ report }) => report);
    expect(reports.map(({ progressId }) => progressId)).toEqual(reports.map((_, at) => at + 1));
    const { claimId } = await rig.actor.until("started", run.runId);
    rig.actor.cancel(run, claimId);
    expect((await finished(run)).result).toMatchObject({ signal: "SIGTERM", costUsd: 0.4 });
  });

  test("a folder that cannot be removed holds nothing up", async () => {
    const script =
      "d=$(dirname $REVEILLE_RESULT_FILE); mkdir $d/locked; touch $d/locked/x; chmod 0 $d/locked";
    expect((await finished(await rig.enqueue(shell(script)))).result).toMatchObject({
      exitCode: 0,
    });
  });

  test("a final word does not end a process that is still at work", async () => {
    const witness = join(scratch, "final");
    const run = await rig.enqueue(shell(`echo $$ >${witness}; sleep 0.6; echo done`));
    const { claimId } = await rig.actor.until("started", run.runId);
    await eventually("it runs", () => witnesses(witness).length > 0);
    rig.actor.finish(run, claimId);
    expect((await finished(run)).result).toMatchObject({
      exitCode: 0,
      resultJson: { stdout: "done\n" },
    });
  });
});

describe("limits", () => {
  test("a process that prints nothing for too long is ended, with an event and a reason [B29]", async () => {
    const witness = join(scratch, "silent");
    const run = await rig.enqueue(
      shell(`echo $$ >${witness}; echo hello; trap '' TERM; sleep 60; sleep 60`, {
        idleTimeoutSec: 0.5,
        graceSec: 1,
      }),
    );
    const { result, events } = await finished(run);
    expect(result).toMatchObject({
      timedOut: true,
      errorMessage: "No output for 0.5s",
      errorCode: "idle_timeout",
    });
    const told = [...events, ...progressOf(run).flatMap(({ report }) => report.events)];
    expect(warnings(told)).toEqual(["no output for 0.5s: the run is ended"]);
    expect(witnesses(witness).some(isAlive)).toBe(false);
  });

  test("one that goes on printing, on either stream, is not [B29]", async () => {
    const script = "for i in 1 2 3 4; do sleep 0.3; echo o; sleep 0.3; echo e >&2; done";
    const run = await rig.enqueue(shell(script, { idleTimeoutSec: 1 }));
    expect((await finished(run)).result).toMatchObject({ exitCode: 0, timedOut: false });
  });

  test("no limit in the configuration is the runner's limit, for silence and for the clock [B29]", async () => {
    const limits = {
      REVEILLE_RUNNER_TIMEOUT_SEC_DEFAULT: "2",
      REVEILLE_RUNNER_IDLE_TIMEOUT_SEC: "1",
    };
    await rig.runner({ ...limits, REVEILLE_RUNNER_POOL: "limited" });
    const silent = await rig.enqueue(shell("sleep 60", { idleTimeoutSec: 0 }), {}, "limited");
    expect((await finished(silent)).result.errorMessage).toBe("No output for 1s");
    const busy = shell("while :; do echo x; sleep 0.2; done", { timeoutSec: 0 });
    const long = await rig.enqueue(busy, {}, "limited");
    expect((await finished(long)).result.errorMessage).toBe("Timed out after 2s");
  });
});

describe("an adapter from a package", () => {
  const echo = { adapterType: "echo" };

  test("runs, with its log, its usage and its session", async () => {
    const session = { id: "x:1", params: { sessionId: "x:1", turns: 1 }, displayId: "x:1" };
    const run = await rig.enqueue({ text: "hey", times: 2 }, { ...echo, session });
    const { result, events, stdoutExcerpt, containment } = await finished(run);
    expect(stdoutExcerpt).toBe("hey\nhey\n");
    expect(result).toMatchObject({
      exitCode: 0,
      usage: { outputTokens: 6 },
      model: "parrot-1",
      sessionParams: { turns: 2 },
      summary: "said it 2 times, turn 2",
    });
    expect(events).toMatchObject([{ payload: { adapterType: "echo", commandArgs: ["hey", "2"] } }]);
    expect(containment).toBe("in_process");
  });

  test("is told to stop by a cancel and by a limit", async () => {
    const long = { text: "a", times: 1_000, pauseMs: 50 };
    const run = await rig.enqueue(long, echo);
    await rig.actor.until("progress", run.runId);
    const { claimId } = await rig.actor.until("started", run.runId);
    rig.actor.cancel(run, claimId);
    expect((await finished(run)).result).toMatchObject({ exitCode: null, timedOut: false });
    const late = await rig.enqueue({ ...long, timeoutSec: 0.3 }, echo);
    expect((await finished(late)).result).toMatchObject({ timedOut: true, errorCode: "timeout" });
  });

  test("that breaks the contract fails the start, with its name and the reason", async () => {
    const bad = join(scratch, "bad.mjs");
    writeFileSync(
      bad,
      "export default { type: 'process', label: 'P', starts: 'nothing', configSchema: null, execute() {} };",
    );
    const start = rig.runner({ REVEILLE_RUNNER_ADAPTERS: bad, REVEILLE_RUNNER_POOL: "bad" });
    await expect(start).rejects.toThrow(`${bad}: the adapter type process is taken by this runner`);
  });

  test("that does not end when it is told to is left behind after the grace", async () => {
    const deaf = join(scratch, "deaf.mjs");
    writeFileSync(
      deaf,
      "export default { type: 'deaf', label: 'D', starts: 'nothing', configSchema: null, execute: () => new Promise(() => {}) };",
    );
    await rig.runner({ REVEILLE_RUNNER_ADAPTERS: deaf, REVEILLE_RUNNER_POOL: "deaf" });
    const run = await rig.enqueue(
      { graceSec: 1, timeoutSec: 0.2 },
      { adapterType: "deaf" },
      "deaf",
    );
    expect((await finished(run)).result).toMatchObject({ timedOut: true });
  });

  test("that this runner has not is a failed run which names what it has [E14]", async () => {
    const { result } = await finished(await rig.enqueue({}, { adapterType: "telepathy" }));
    expect(result).toMatchObject({ errorCode: "adapter_unknown", threw: true });
    expect(result.errorMessage).toBe(
      'Unknown adapter type "telepathy"; this runner has: process, http, noop, claude_local, codex_local, echo',
    );
  });
});

describe("questions about adapters", () => {
  async function ask(request: ProbeRequest | Record<string, unknown>) {
    const answer = await rig.bus.request(subjects.probe("default"), encodePayload(request), 10_000);
    return probeAnswerSchema.parse(decodeTrusted(answer.data));
  }
  const tested = async (adapterType: string, adapterConfig: Record<string, unknown>) => {
    const answer = await ask({ kind: "test", companyId: newId(), adapterType, adapterConfig });
    if (answer.kind !== "test") throw new Error(`no test: ${JSON.stringify(answer)}`);
    return answer.test;
  };

  test("which there are, with what they are configured by", async () => {
    const answer = await ask({ kind: "describe" });
    if (answer.kind !== "describe") throw new Error(JSON.stringify(answer));
    expect(answer.adapters.map(({ type }) => type)).toEqual([
      "process",
      "http",
      "noop",
      "claude_local",
      "codex_local",
      "echo",
    ]);
    const [process, httpCall, , , , echo] = answer.adapters;
    expect(process?.configSchema).toMatchObject({
      required: ["command"],
      properties: { command: {}, args: {}, cwd: {}, env: {}, timeoutSec: {}, idleTimeoutSec: {} },
    });
    expect(httpCall?.configSchema).toMatchObject({ properties: { url: {}, callback: {} } });
    expect(echo).toMatchObject({ label: "Echo", models: [{ id: "parrot-1", label: "Parrot 1" }] });
  });

  test.each([
    ["process", { command: "sh", cwd: "/tmp" }, "pass", "process_command_resolvable"],
    ["process", { command: "no-such-cmd-xyz" }, "fail", "process_command_unresolvable"],
    ["process", { command: "sh", cwd: "/no/such/place" }, "fail", "process_cwd_invalid"],
    ["process", {}, "fail", "process_command_missing"],
    ["process", { command: "./run.sh" }, "warn", "process_command_relative"],
    ["process", { command: "sh", timeoutSec: "soon" }, "fail", "config_invalid"],
    ["process", { command: "sh", args: "x" }, "fail", "config_invalid"],
    ["http", { url: "http://127.0.0.1:1/" }, "fail", "http_address_refused"],
    [
      "http",
      { url: "https://8.8.8.8/", headers: { A: { type: "secret_ref" } } },
      "pass",
      "http_address_allowed",
    ],
    ["http", { url: "nonsense" }, "fail", "http_config_invalid"],
    ["noop", {}, "pass", "config_valid"],
    ["echo", { text: "a" }, "pass", "echo_config"],
    ["echo", {}, "fail", "echo_config"],
  ])("would %s work with %j: %s", async (type, config, status, code) => {
    const answer = await tested(type, config);
    expect(answer).toMatchObject({ adapterType: type, status });
    expect(answer.checks.map((check) => check.code)).toContain(code);
    expect(Date.parse(answer.testedAt)).toBeGreaterThan(0);
  });

  test("what cannot be answered is refused with a reason", async () => {
    expect(await ask({ kind: "what" })).toMatchObject({ kind: "refused" });
    const unknown = {
      kind: "test",
      companyId: newId(),
      adapterType: "x",
      adapterConfig: {},
    } as const;
    expect(await ask(unknown)).toMatchObject({
      kind: "refused",
      reason: expect.stringContaining('"x"'),
    });
  });

  test("many at once are answered, one way or the other", async () => {
    const answers = await Promise.all(Array.from({ length: 40 }, () => ask({ kind: "describe" })));
    expect(answers.every(({ kind }) => kind === "describe" || kind === "refused")).toBe(true);
  });
});
