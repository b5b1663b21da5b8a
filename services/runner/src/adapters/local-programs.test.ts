/**
 * The adapters of programs for agents with stand-ins for the programs: scripts that note how they were
 * called and print what the real ones printed. What the real ones do is in test/src/agents.
 */
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import type { AdapterContext, AdapterResult, AdapterSession, Json } from "../adapter.js";
import { startTrial } from "../adapter-trial.js";
import { claudeAdapter } from "./claude/claude.js";
import { codexAdapter } from "./codex/codex.js";

const scratch = mkdtempSync(join(tmpdir(), "reveille-programs-"));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

interface Call {
  args: string[];
  stdin: string;
  cwd: string;
  retries?: string;
}
let count = 0;

/** A program that prints a recorded case; another one, with code 1, when it is to resume. */
function standIn(program: "claude" | "codex", fixture: string, whenResumed = fixture) {
  const path = join(scratch, `${program}-${(count += 1)}`);
  const seen = `${path}.calls`;
  const file = (name: string): string =>
    new URL(`./${program}/fixtures/${name}.ndjson`, import.meta.url).pathname;
  writeFileSync(seen, "");
  writeFileSync(
    path,
    `#!${process.execPath}
const { appendFileSync, readFileSync } = require("node:fs");
const args = process.argv.slice(2);
if (args[0] === "--version") { console.log("9.9.9 (stand-in)"); process.exit(0); }
const stdin = readFileSync(0, "utf8");
const retries = process.env.CLAUDE_CODE_MAX_RETRIES;
appendFileSync(${JSON.stringify(seen)}, JSON.stringify({ args, stdin, cwd: process.cwd(), retries }) + "\\n");
const resumed = args.includes("--resume") || args.includes("resume");
process.stdout.write(readFileSync(resumed ? ${JSON.stringify(file(whenResumed))} : ${JSON.stringify(file(fixture))}));
if (resumed && ${whenResumed.includes("unknown")}) {
  process.stderr.write("Error: no rollout found for thread id x\\n");
  process.exitCode = 1;
}
`,
  );
  chmodSync(path, 0o755);
  const calls = (): Call[] =>
    readFileSync(seen, "utf8")
      .split("\n")
      .filter(Boolean)
      .map((line) => JSON.parse(line) as Call);
  return { path, calls };
}

const adapters = { claude: claudeAdapter, codex: codexAdapter };
const sessionOf = (params: Json): AdapterSession => ({ id: null, params, displayId: null });

async function run(
  program: "claude" | "codex",
  config: Json,
  session: AdapterSession | null = null,
) {
  const trial = startTrial(adapters[program], config, session);
  try {
    const result: AdapterResult = await adapters[program].execute(trial.context);
    const { warnings, reports, transcript, invocations } = trial;
    return { result, warnings, reports, transcript, invocations, cwd: trial.context.workspace.cwd };
  } finally {
    trial.end();
  }
}

describe("claude_local", () => {
  test("gets the prompt on standard input and its options from the configuration", async () => {
    const { path, calls } = standIn("claude", "tool-write");
    const instructionsFilePath = join(scratch, "be-good.md");
    const { result, transcript, reports } = await run("claude", {
      command: path,
      model: "opus",
      effort: "high",
      maxTurnsPerRun: 7,
      maxBudgetUsd: 1.5,
      dangerouslySkipPermissions: true,
      instructionsFilePath,
      promptTemplate: "Do it, {{agent.name}}: {{context.trial}}",
      extraArgs: ["--add-dir", "/tmp"],
    });
    const [call] = calls();
    expect(call).toMatchObject({ stdin: "Do it, Trial: true", retries: "4" });
    expect(call!.args).toEqual([
      "--print",
      "--output-format",
      "stream-json",
      "--verbose",
      "--dangerously-skip-permissions",
      "--model",
      "opus",
      "--effort",
      "high",
      "--max-turns",
      "7",
      "--max-budget-usd",
      "1.5",
      "--append-system-prompt-file",
      instructionsFilePath,
      "--add-dir",
      "/tmp",
    ]);
    expect(result).toMatchObject({
      exitCode: 0,
      usage: { inputTokens: 300, outputTokens: 60, cachedInputTokens: 0 },
      costUsd: 0.0024000000000000002,
      model: "claude-opus-5-5",
      provider: "anthropic",
      billingType: "api",
      summary: "All done.",
    });
    expect(result.errorMessage).toBeUndefined();
    expect(transcript.map(({ kind }) => kind)).toContain("tool_call");
    // On the way as well: the first answer was told before the result.
    expect(reports[0]).toEqual({
      usage: { inputTokens: 100, outputTokens: 1, cachedInputTokens: 0 },
    });
  });

  test("a session that begins gets the first prompt, a resumed one the usual", async () => {
    const { path, calls } = standIn("claude", "resume-1", "resume-2");
    const config = { command: path, promptTemplate: "again", bootstrapPromptTemplate: "hello" };
    const first = await run("claude", config);
    const { sessionParams } = first.result;
    expect(sessionParams).toMatchObject({ cwd: first.cwd, totals: { costUsd: 0.0008 } });
    const cwd = mkdtempSync(join(scratch, "ws-"));
    const second = await run("claude", { ...config, cwd }, sessionOf({ ...sessionParams, cwd }));
    expect(calls().map(({ stdin }) => stdin)).toEqual(["hello", "again"]);
    expect(calls()[1]!.args).toContain(first.result.sessionId);
    expect(calls()[1]!.cwd).toBe(cwd);
    expect(second.result.costUsd).toBeCloseTo(0.0008, 9);
    expect(second.result.usage).toMatchObject({ inputTokens: 100 });
    expect(second.result).toMatchObject({ sessionParams: { totals: { costUsd: 0.0016 } } });
  });

  test("a session of another folder is not resumed", async () => {
    const { path, calls } = standIn("claude", "text");
    const { warnings } = await run(
      "claude",
      { command: path },
      sessionOf({ sessionId: "11111111-1111-4111-8111-111111111111", cwd: "/elsewhere" }),
    );
    expect(calls()[0]!.args).not.toContain("--resume");
    expect(warnings).toEqual([expect.stringContaining("was in /elsewhere")]);
  });

  test("a session that it does not know begins anew, in the same run", async () => {
    const { path, calls } = standIn("claude", "text", "resume-unknown");
    const { result, warnings } = await run(
      "claude",
      { command: path },
      sessionOf({ sessionId: "11111111-1111-4111-8111-111111111111" }),
    );
    expect(calls()).toHaveLength(2);
    expect(warnings).toEqual([expect.stringContaining("a new one begins")]);
    expect(result).toMatchObject({ exitCode: 0, summary: "Hello from the fake model" });
    expect(result.sessionId).not.toContain("1111");
    expect(result.clearSession).toBeUndefined();
  });

  test("a failure has its code, its time, and keeps the session", async () => {
    const { path } = standIn("claude", "unified-reset-oauth");
    const { result } = await run("claude", { command: path });
    expect(result).toMatchObject({
      errorCode: "claude_quota_exhausted",
      transient: true,
      retryNotBefore: "2026-11-22T09:48:59.000Z",
      billingType: "subscription",
      sessionId: "ed8d5e2f-6bbd-4e1f-8c73-15121f037e31",
      resultJson: { errorFamily: "quota_exhausted" },
    });
  });
});

describe("codex_local", () => {
  test("gets the prompt on standard input and its options from the configuration", async () => {
    const { path, calls } = standIn("codex", "text");
    const instructionsFilePath = join(scratch, "standing.md");
    writeFileSync(instructionsFilePath, "Be brief.\n");
    const { result } = await run("codex", {
      command: path,
      model: "gpt-5",
      modelReasoningEffort: "low",
      search: true,
      dangerouslyBypassApprovalsAndSandbox: true,
      instructionsFilePath,
      promptTemplate: "Go.",
      args: ["--oss"],
    });
    expect(calls()[0]!.stdin).toBe("Be brief.\n\nGo.");
    expect(calls()[0]!.args).toEqual([
      "--search",
      "exec",
      "--json",
      "--skip-git-repo-check",
      "-c",
      "analytics.enabled=false",
      "-c",
      "check_for_update_on_startup=false",
      "--dangerously-bypass-approvals-and-sandbox",
      "--model",
      "gpt-5",
      "-c",
      'model_reasoning_effort="low"',
      "--oss",
      "-",
    ]);
    expect(result).toMatchObject({
      usage: { inputTokens: 1234, outputTokens: 56, cachedInputTokens: 1000 },
      model: "gpt-5",
      provider: "openai",
      billingType: "subscription",
      sessionParams: { totals: { usage: { inputTokens: 1234 } } },
    });
    expect(result.costUsd).toBeUndefined();
  });

  test("a resumed thread's usage is this run's alone", async () => {
    const { path, calls } = standIn("codex", "resume-1", "resume-2");
    const first = await run("codex", { command: path });
    const cwd = mkdtempSync(join(scratch, "ws-"));
    const params = { ...first.result.sessionParams, cwd };
    const second = await run("codex", { command: path, cwd }, sessionOf(params));
    expect(calls()[1]!.args.slice(-3)).toEqual(["resume", first.result.sessionId, "-"]);
    expect(second.result.usage).toMatchObject({ inputTokens: 100, outputTokens: 20 });
    expect(second.result).toMatchObject({
      sessionParams: { totals: { usage: { inputTokens: 200, outputTokens: 40 } } },
    });
  });

  test("a thread that it does not know begins anew, in the same run", async () => {
    const { path, calls } = standIn("codex", "text", "resume-unknown");
    const { result } = await run("codex", { command: path }, sessionOf({ sessionId: "gone" }));
    expect(calls()).toHaveLength(2);
    expect(result).toMatchObject({ exitCode: 0, summary: "Hello from the fake model" });
  });
});

test("codex waits for a network without end: after two minutes it is ended", async () => {
  const path = join(scratch, "waits");
  const fixture = new URL("./codex/fixtures/refused.ndjson", import.meta.url).pathname;
  writeFileSync(path, `#!/bin/sh\ncat ${fixture}\nexec sleep 60\n`);
  chmodSync(path, 0o755);
  const trial = startTrial(codexAdapter, { command: path });
  let nowMs = 0;
  // Each look at the clock is a minute later.
  const context = Object.create(trial.context, { nowMs: { value: () => (nowMs += 60_000) } });
  try {
    const result = await codexAdapter.execute(context as AdapterContext);
    expect(result).toMatchObject({
      signal: "SIGTERM",
      errorCode: "codex_upstream_unavailable",
      transient: true,
    });
  } finally {
    trial.end();
  }
});

describe("what is wrong is said by the field's name, before anything starts", () => {
  test.each([
    ["claude", { maxTurnsPerRun: "many" }, /^adapterConfig\.maxTurnsPerRun: /],
    ["claude", { model: "--danger" }, /^adapterConfig\.model: must be one line/],
    [
      "claude",
      { extraArgs: ["--x", "--resume=1"] },
      /^adapterConfig\.extraArgs\.1: --resume is set by/,
    ],
    ["claude", { cwd: "relative" }, /^adapterConfig\.cwd: must be an absolute path/],
    ["claude", { cwd: "/not/there" }, /^adapterConfig\.cwd: the folder/],
    ["codex", { search: "yes" }, /^adapterConfig\.search: /],
    ["codex", { args: ["--json"] }, /^adapterConfig\.args\.0: --json is set by/],
    [
      "codex",
      { instructionsFilePath: "/not/there" },
      /^adapterConfig\.instructionsFilePath: .*ENOENT/,
    ],
  ] as const)("%s %j", async (program, config, message) => {
    const { result, invocations } = await run(program, config);
    expect(result).toMatchObject({ threw: true, errorMessage: expect.stringMatching(message) });
    expect(invocations).toEqual([]);
  });
  test("a program that is not there", async () => {
    const { result } = await run("claude", { command: "/not/there/claude" });
    expect(result).toMatchObject({
      threw: true,
      errorMessage: expect.stringContaining("/not/there/claude"),
    });
  });
});

describe("the test of an environment", () => {
  const checked = async (
    program: "claude" | "codex",
    config: Json,
    env: Record<string, string>,
  ) => {
    const companyId = "11111111-1111-4111-8111-111111111111";
    const { signal } = new AbortController();
    const all = { PATH: process.env["PATH"] ?? "", ...env };
    const checks = await adapters[program].test!({ companyId, config, env: all, signal });
    return checks.map(({ code, level }) => `${level} ${code}`);
  };
  test("all is well", async () => {
    const { path } = standIn("claude", "text");
    const config = { command: path, env: { ANTHROPIC_API_KEY: "k" } };
    expect(await checked("claude", config, {})).toEqual([
      "info claude_command_resolvable",
      "info claude_version",
      "info claude_signed_in",
    ]);
  });
  test("nobody is signed in; then somebody is", async () => {
    const { path } = standIn("codex", "text");
    const home = mkdtempSync(join(scratch, "home-"));
    expect(await checked("codex", { command: path }, { HOME: home })).toContain(
      "warn codex_auth_required",
    );
    mkdirSync(join(home, ".codex"));
    writeFileSync(join(home, ".codex", "auth.json"), "{}");
    expect(await checked("codex", { command: path }, { HOME: home })).toContain(
      "info codex_signed_in",
    );
  });
  test("it is not there, its folder neither; or it cannot tell its version", async () => {
    expect(await checked("claude", { command: "/no/claude", cwd: "/no/folder" }, {})).toEqual([
      "error claude_cwd_invalid",
      "error claude_command_unresolvable",
    ]);
    expect(await checked("codex", { command: "/bin/false" }, {})).toContain(
      "error codex_version_unknown",
    );
  });
});
