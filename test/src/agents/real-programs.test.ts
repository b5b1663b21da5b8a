// Claude Code and Codex themselves, through a whole system, against a model's service on loopback. Run by `npm run agents:test` alone.
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connectBus } from "@reveille/shared/nats/bus";
import type { NatsBus } from "@reveille/shared/nats/bus";
import { transcriptFrameSchema } from "@reveille/shared/protocol/transcript";
import type { TranscriptEntry } from "@reveille/shared/protocol/transcript";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { until } from "../harness/until.js";
import { runIsOver, startWholeSystem } from "../harness/whole-system.js";
import type { Row, WholeSystem } from "../harness/whole-system.js";
import { isAlive } from "../runner/rig.js";
import { startModelServer } from "./model-server.js";
import type { Conversation, ModelServer, Step } from "./model-server.js";
import { agentOf, shellCall } from "./programs.js";
import type { ProgramName } from "./programs.js";

const scratch = mkdtempSync(join(tmpdir(), "reveille-agents-"));
let system: WholeSystem;
let model: ModelServer;
let bus: NatsBus;
let companyId: string;

beforeAll(async () => {
  model = await startModelServer();
  system = await startWholeSystem({});
  bus = await connectBus({ url: system.nats, name: "agents-test" });
  companyId = String((await system.call("POST", "/companies", { name: "Agents" })).body["id"]);
});
afterAll(async () => {
  await bus.connection.close();
  await system.stop();
  await model.stop();
  rmSync(scratch, { recursive: true, force: true });
});

interface Agent {
  id: string;
  workspace: string;
  talk: Conversation;
  /** Wakes it for the task and resolves to the run, which is not over yet. */
  wake(taskKey: string): Promise<string>;
}
let count = 0;

async function newAgent(
  program: ProgramName,
  more: { config?: object; runtimeConfig?: object; env?: object } = {},
): Promise<Agent> {
  const name = `${program}-${(count += 1)}`;
  const home = join(scratch, name);
  const workspace = join(home, "workspace");
  mkdirSync(join(home, "codex"), { recursive: true });
  mkdirSync(workspace);
  const talk = model.conversation(name);
  const settings = agentOf(program, talk.url, home);
  const promptTemplate = "Do the task {{run.taskKey}}.";
  const env = { ...(settings.adapterConfig["env"] as object), ...more.env };
  const created = await system.call("POST", `/companies/${companyId}/agents`, {
    name,
    ...settings,
    adapterConfig: {
      ...settings.adapterConfig,
      cwd: workspace,
      promptTemplate,
      env,
      ...more.config,
    },
    runtimeConfig: more.runtimeConfig ?? {},
  });
  if (created.status !== 201) throw new Error(JSON.stringify(created.body));
  const id = String(created.body["id"]);
  return {
    id,
    workspace,
    talk,
    wake: async (taskKey) => {
      const woken = await system.call("POST", `/agents/${id}/wakeup`, { payload: { taskKey } });
      if (woken.status !== 202) throw new Error(JSON.stringify(woken.body));
      return String(woken.body["id"]);
    },
  };
}

/** Long: the programs start cold, beside whatever else this machine does. */
const overMs = 90_000;
const over = (runId: string): Promise<Row> => runIsOver(system, runId, overMs);

/** The last request whole: too long to be shown when a test fails. */
const lastAsked = ({ talk }: Agent): string => JSON.stringify(talk.requests.at(-1)?.body);

const programs = ["claude", "codex"] as const;

describe.each(programs)("%s", (program) => {
  test("a prompt, a tool call that writes a file, a result with usage; the second wake goes on with it", async () => {
    const agent = await newAgent(program);
    const entries: TranscriptEntry[] = [];
    bus.subscribe(`rv.${companyId}.run.*.transcript`, ({ data }) => {
      const frame = transcriptFrameSchema.parse(JSON.parse(Buffer.from(data).toString()));
      if (frame.agentId === agent.id) entries.push(...frame.entries);
    });
    await bus.flush();
    agent.talk.script(
      { text: "I write it.", tool: shellCall(program, "echo made by an agent > made.txt") },
      { text: "FIRST ANSWER", usage: { input: 150, output: 30, cached: 0 } },
    );
    const first = await over(await agent.wake("t-1"));
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
    const second = await over(await agent.wake("t-1"));
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
    const other = await over(await agent.wake("t-2"));
    expect(other["sessionIdAfter"]).not.toBe(sessionId);
    expect(lastAsked(agent).includes("FIRST ANSWER")).toBe(false);
  });

  test("a session whose files are gone begins anew, in the same run", async () => {
    const agent = await newAgent(program);
    agent.talk.script({ text: "FORGOTTEN ANSWER" });
    const first = await over(await agent.wake("t"));
    for (const folder of [".claude", "codex/sessions"])
      rmSync(join(agent.workspace, "..", folder), { recursive: true, force: true });
    for (const name of codexStateOf(join(agent.workspace, "..", "codex")))
      rmSync(name, { force: true });
    agent.talk.script({ text: "anew" });
    const second = await over(await agent.wake("t"));
    expect(second).toMatchObject({ status: "succeeded" });
    expect(second["sessionIdAfter"]).not.toBe(first["sessionIdAfter"]);
    expect(lastAsked(agent).includes("FORGOTTEN ANSWER")).toBe(false);
  });

  test("a cancel in the middle of the stream kills the whole tree", async () => {
    const agent = await newAgent(program);
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
    await system.call("POST", `/heartbeat-runs/${runId}/cancel`, {});
    expect(await over(runId)).toMatchObject({ status: "cancelled" });
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
    const agent = await newAgent(program, { runtimeConfig: { retry } });
    agent.talk.script({ ...step, times: 30 });
    const run = await over(await agent.wake("t"));
    expect(run).toMatchObject({ status: "failed", errorCode: codes[program] });
    const queued = await system.database.query(
      "select 1 from heartbeat_runs where agent_id = $1 and status = 'queued'",
      [agent.id],
    );
    expect(queued.rowCount).toBe(again ? 1 : 0);
  });

  test("a service that hangs is the limit's to end", async () => {
    const agent = await newAgent(program, { config: { idleTimeoutSec: 6, graceSec: 2 } });
    agent.talk.script({
      text: "a long answer that never comes to its end",
      broken: "hang",
      times: 9,
    });
    const run = await over(await agent.wake("t"));
    expect(run).toMatchObject({ status: "timed_out", errorCode: "idle_timeout" });
  });

  test("the environment's test finds the program and its version", async () => {
    const { adapterType, adapterConfig } = agentOf(program, "http://127.0.0.1:1", scratch);
    const path = `/companies/${companyId}/adapters/${adapterType}/test-environment`;
    const { body } = await system.call("POST", path, { adapterConfig });
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
    const agent = await newAgent(program, { runtimeConfig: { retry }, env });
    agent.talk.script({ refuse, times: 9 });
    const run = await over(await agent.wake("t"));
    expect(run).toMatchObject({ status: "failed", errorCode: `${program}_quota_exhausted` });
    const { rows } = await system.database.query<{ at: Date }>(
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
