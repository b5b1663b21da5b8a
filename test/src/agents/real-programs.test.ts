// Claude Code and Codex themselves, through a whole system, against a model's service on loopback. Run by `npm run agents:test` alone.
import { execFileSync } from "node:child_process";
import { readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { transcriptFrameSchema } from "@reveille/shared/protocol/transcript";
import type { TranscriptEntry } from "@reveille/shared/protocol/transcript";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { until } from "../harness/until.js";
import type { Row } from "../harness/whole-system.js";
import { isAlive } from "../runner/rig.js";
import { overMs, startGround } from "./ground.js";
import type { Ground, ProgramAgent } from "./ground.js";
import type { Step } from "./model-server.js";
import { agentOf, shellCall } from "./programs.js";
import type { ProgramName } from "./programs.js";

let ground: Ground;
beforeAll(async () => {
  ground = await startGround({ REVEILLE_RUNNER_REPOSITORIES_ALLOW_FILE: "true" });
});
afterAll(() => ground.stop());

/** The last request whole: too long to be shown when a test fails. */
const lastAsked = ({ talk }: ProgramAgent): string => JSON.stringify(talk.requests.at(-1)?.body);

const programs = ["claude", "codex"] as const;

describe.each(programs)("%s", (program) => {
  test("a prompt, a tool call that writes a file, a result with usage; the second wake goes on with it", async () => {
    const agent = await ground.newAgent(program);
    const entries: TranscriptEntry[] = [];
    ground.bus.subscribe(`rv.${ground.companyId}.run.*.transcript`, ({ data }) => {
      const frame = transcriptFrameSchema.parse(JSON.parse(Buffer.from(data).toString()));
      if (frame.agentId === agent.id) entries.push(...frame.entries);
    });
    await ground.bus.flush();
    agent.talk.script(
      { text: "I write it.", tool: shellCall(program, "echo made by an agent > made.txt") },
      { text: "FIRST ANSWER", usage: { input: 150, output: 30, cached: 0 } },
    );
    const first = await ground.over(await agent.wake("t-1"));
    expect(first).toMatchObject({ status: "succeeded", exitCode: 0, error: null });
    expect(readFileSync(join(agent.workspace, "made.txt"), "utf8")).toBe("made by an agent\n");
    expect(first["usageJson"]).toMatchObject({ inputTokens: 250, outputTokens: 50 });
    const sessionId = String(first["sessionIdAfter"]);
    expect(sessionId).toMatch(/^[0-9a-f-]{36}$/);
    await until("the transcript is told to its end", () =>
      entries.some(({ kind }) => kind === "result"),
    );
    const kinds = entries.map(({ kind }) => kind);
    for (const kind of ["start", "text", "tool_call", "tool_result", "usage", "result"])
      expect(kinds).toContain(kind);

    agent.talk.script({ text: "SECOND ANSWER" });
    const second = await ground.over(await agent.wake("t-1"));
    expect(second).toMatchObject({ status: "succeeded", sessionIdBefore: sessionId });
    expect(second["sessionIdAfter"]).toBe(sessionId);
    // The service saw the earlier turns, and what is counted is of this run alone.
    expect(lastAsked(agent).includes("FIRST ANSWER")).toBe(true);
    expect(second["usageJson"]).toMatchObject({ inputTokens: 100, outputTokens: 20 });
    if (program === "claude") {
      const cost = (run: Row): number => Number((run["usageJson"] as Row)["costUsd"]);
      expect(cost(first)).toBeGreaterThan(0);
      // The program's own total counts on: were it added, the second run would cost more than the first.
      expect(cost(second)).toBeLessThan(cost(first));
      expect(cost(second)).toBeGreaterThan(0);
    }

    agent.talk.script({ text: "OF ANOTHER TASK" });
    const other = await ground.over(await agent.wake("t-2"));
    expect(other["sessionIdAfter"]).not.toBe(sessionId);
    expect(lastAsked(agent).includes("FIRST ANSWER")).toBe(false);
  });

  test("an issue of a project with a repository: it works in a clone, and goes on there", async () => {
    const git = (cwd: string, ...args: string[]): string =>
      execFileSync("git", ["-c", "user.name=T", "-c", "user.email=t@t", ...args], {
        cwd,
        encoding: "utf8",
      });
    const agent = await ground.newAgent(program, {
      config: { workspaceStrategy: { type: "git_worktree", dirty: "push" } },
    });
    const [origin, first] = [join(agent.home, "origin.git"), join(agent.home, "first")];
    git(agent.home, "init", "-q", "--bare", "-b", "main", origin);
    git(agent.home, "init", "-q", "-b", "main", first);
    writeFileSync(join(first, "README.md"), "begun\n");
    git(first, "add", "-A");
    git(first, "commit", "-q", "-m", "begin");
    git(first, "push", "-q", origin, "main");
    const { call } = ground.system;
    const company = `/companies/${ground.companyId}`;
    const project = await call("POST", `${company}/projects`, { name: "Cloned" });
    const projectId = String(project.body["id"]);
    const workspace = { name: "repository", repoUrl: `file://${origin}`, repoRef: "main" };
    const made = await call("POST", `/projects/${projectId}/workspaces`, workspace);
    expect(made).toMatchObject({ status: 201 });
    agent.talk.script(
      { tool: shellCall(program, "echo by an agent >> README.md") },
      { text: "FIRST ANSWER" },
    );
    const issue = { title: "Write", projectId, assigneeAgentId: agent.id, status: "todo" };
    const created = await call("POST", `${company}/issues`, issue);
    const issueId = String(created.body["id"]);
    const runs = async (): Promise<Row[]> => {
      const { body } = await call("GET", `${company}/heartbeat-runs?agentId=${agent.id}`);
      return (body as unknown as Row[]).filter(({ status }) => status === "succeeded");
    };
    const [run] = await until(
      "the assignment's run has succeeded",
      async () => {
        const found = await runs();
        return found.length === 1 && found;
      },
      { timeoutMs: overMs, describe: () => call("GET", `${company}/heartbeat-runs`) },
    );
    const branch = `reveille/issue-${issueId}`;
    expect(git(origin, "show", `${branch}:README.md`)).toBe("begun\nby an agent\n");
    agent.talk.script({ text: "SECOND ANSWER" });
    await call("POST", `/issues/${issueId}/comments`, { body: "And now?" });
    await until("the comment's run has succeeded", async () => (await runs()).length === 2, {
      timeoutMs: overMs,
      describe: () => call("GET", `${company}/heartbeat-runs`),
    });
    expect(lastAsked(agent).includes("FIRST ANSWER")).toBe(true);
    expect((await runs()).map(({ sessionIdAfter }) => sessionIdAfter)).toEqual([
      run!["sessionIdAfter"],
      run!["sessionIdAfter"],
    ]);
  });

  test("a session whose files are gone begins anew, in the same run", async () => {
    const agent = await ground.newAgent(program);
    agent.talk.script({ text: "FORGOTTEN ANSWER" });
    const first = await ground.over(await agent.wake("t"));
    for (const folder of [".claude", "codex/sessions"])
      rmSync(join(agent.home, folder), { recursive: true, force: true });
    for (const name of codexStateOf(join(agent.home, "codex"))) rmSync(name, { force: true });
    agent.talk.script({ text: "anew" });
    const second = await ground.over(await agent.wake("t"));
    expect(second).toMatchObject({ status: "succeeded" });
    expect(second["sessionIdAfter"]).not.toBe(first["sessionIdAfter"]);
    expect(lastAsked(agent).includes("FORGOTTEN ANSWER")).toBe(false);
  });

  test("a cancel in the middle of the stream kills the whole tree", async () => {
    const agent = await ground.newAgent(program);
    const pidFile = join(agent.workspace, "pid");
    // In a session of its own: Codex ends what is left of a command's process group by itself.
    const command = `setsid sh -c 'echo $$ > ${pidFile}; exec tail -f /dev/null' >/dev/null 2>&1 & sleep 1`;
    agent.talk.script(
      { tool: shellCall(program, command) },
      { text: "a long answer that never comes to its end", broken: "hang", times: 5 },
    );
    const runId = await agent.wake("t");
    await until("it waits for the rest of the answer", () => agent.talk.requests.length >= 2, {
      timeoutMs: overMs,
      describe: () => agent.talk.requests.length,
    });
    const pid = Number(readFileSync(pidFile, "utf8"));
    expect(isAlive(pid)).toBe(true);
    await ground.system.call("POST", `/heartbeat-runs/${runId}/cancel`, {});
    expect(await ground.over(runId)).toMatchObject({ status: "cancelled" });
    expect(isAlive(pid)).toBe(false);
    await until("the service sees it go", () => agent.talk.requests.at(-1)?.aborted === true);
  });

  test.each<[string, Step, Partial<Record<ProgramName, string>>, boolean]>([
    [
      "a refused key",
      { refuse: { status: 401, type: "authentication_error", message: "invalid key" } },
      { claude: "claude_auth_required", codex: "codex_auth_required" },
      false,
    ],
    [
      "too many requests",
      { refuse: { status: 429, type: "rate_limit_error", message: "slow down" } },
      { claude: "claude_rate_limited", codex: "codex_rate_limited" },
      true,
    ],
    [
      "a service in trouble",
      { refuse: { status: 500 } },
      { claude: "claude_upstream_unavailable", codex: "codex_upstream_unavailable" },
      true,
    ],
    [
      "an answer that is none",
      { text: "a long enough text to have many pieces", broken: "garbage" },
      { claude: "claude_stream_broken", codex: "codex_stream_broken" },
      true,
    ],
  ])("%s has its own code, and is tried again when it may pass", async (_, step, codes, again) => {
    const retry = { on: ["transient"], max: 1, baseSec: 600, jitter: 0 };
    const agent = await ground.newAgent(program, { runtimeConfig: { retry } });
    agent.talk.script({ ...step, times: 30 });
    const run = await ground.over(await agent.wake("t"));
    expect(run).toMatchObject({ status: "failed", errorCode: codes[program] });
    const queued = await ground.system.database.query(
      "select 1 from heartbeat_runs where agent_id = $1 and status = 'queued'",
      [agent.id],
    );
    expect(queued.rowCount).toBe(again ? 1 : 0);
  });

  test("a service that hangs is the limit's to end", async () => {
    const agent = await ground.newAgent(program, { config: { idleTimeoutSec: 6, graceSec: 2 } });
    agent.talk.script({
      text: "a long answer that never comes to its end",
      broken: "hang",
      times: 9,
    });
    const run = await ground.over(await agent.wake("t"));
    expect(run).toMatchObject({ status: "timed_out", errorCode: "idle_timeout" });
  });

  test("the environment's test finds the program and its version", async () => {
    const { adapterType, adapterConfig } = agentOf(program, "http://127.0.0.1:1", ground.scratch);
    const path = `/companies/${ground.companyId}/adapters/${adapterType}/test-environment`;
    const { body } = await ground.system.call("POST", path, { adapterConfig });
    const checks = body["checks"] as Row[];
    expect(checks.map(({ code }) => code)).toContain(`${program}_version`);
    expect(checks.some(({ level }) => level === "error")).toBe(false);
  });
});

/** An allowance that is used up until a time, in whole minutes: what one of them tells. */
const resetsAt = Math.ceil(Date.now() / 60_000) * 60 + 3_600;
const spent: Record<ProgramName, { refuse: NonNullable<Step["refuse"]>; env: object }> = {
  claude: {
    refuse: {
      status: 429,
      type: "rate_limit_error",
      message: "usage limit",
      headers: {
        "anthropic-ratelimit-unified-status": "rejected",
        "anthropic-ratelimit-unified-reset": String(resetsAt),
        "anthropic-ratelimit-unified-representative-claim": "five_hour",
        "retry-after": "3600",
      },
    },
    // Only who is signed in has an allowance.
    env: { ANTHROPIC_API_KEY: "", CLAUDE_CODE_OAUTH_TOKEN: "token-of-a-test" },
  },
  codex: {
    refuse: {
      status: 429,
      type: "usage_limit_reached",
      message: "The usage limit has been reached",
      more: { plan_type: "plus", resets_at: resetsAt },
    },
    env: {},
  },
};

test.each(programs)(
  "%s: a used-up allowance is waited for until it comes back",
  async (program) => {
    const { refuse, env } = spent[program];
    const retry = { on: ["transient"], max: 1, baseSec: 1, jitter: 0 };
    const agent = await ground.newAgent(program, { runtimeConfig: { retry }, env });
    agent.talk.script({ refuse, times: 9 });
    const run = await ground.over(await agent.wake("t"));
    expect(run).toMatchObject({ status: "failed", errorCode: `${program}_quota_exhausted` });
    const { rows } = await ground.system.database.query<{ at: Date }>(
      "select not_before as at from heartbeat_runs where agent_id = $1 and status = 'queued'",
      [agent.id],
    );
    expect(rows.map(({ at }) => at.getTime())).toEqual([resetsAt * 1_000]);
  },
);

const codexStateOf = (folder: string): string[] =>
  readdirSync(folder)
    .filter((name) => name.includes(".sqlite"))
    .map((name) => join(folder, name));
