// Twenty runs of the real programs on four slots: never more at once, in their order, every issue free again; and what each needs of memory.
import { readFileSync, readdirSync, readlinkSync } from "node:fs";
import { afterAll, beforeAll, expect, test } from "vitest";
import { until } from "../harness/until.js";
import type { Row } from "../harness/whole-system.js";
import { startGround } from "./ground.js";
import type { Ground, ProgramAgent } from "./ground.js";
import { executableOf, shellCall } from "./programs.js";

const slots = 4;
const runsCount = 20;
let ground: Ground;
beforeAll(async () => {
  ground = await startGround({ REVEILLE_RUNNER_SLOTS: String(slots) });
});
afterAll(() => ground.stop());

const programs = ["claude", "codex"] as const;

/** The programs that live now, with the most memory that each has had so far (MB). */
function living(): Map<number, { program: string; peakMb: number }> {
  const found = new Map<number, { program: string; peakMb: number }>();
  for (const entry of readdirSync("/proc")) {
    if (!/^\d+$/.test(entry)) continue;
    try {
      const executable = readlinkSync(`/proc/${entry}/exe`);
      const program = programs.find((one) => executable === executableOf(one));
      const status = readFileSync(`/proc/${entry}/status`, "utf8");
      const peak = /^VmHWM:\s+(\d+) kB/m.exec(status)?.[1];
      // A child between fork and exec is still its parent.
      const parent = Number(/^PPid:\s+(\d+)/m.exec(status)?.[1]);
      if (program && peak && !isProgram(parent))
        found.set(Number(entry), { program, peakMb: Number(peak) / 1_024 });
    } catch {
      // It ended while we looked.
    }
  }
  return found;
}
function isProgram(pid: number): boolean {
  try {
    return programs.some((one) => readlinkSync(`/proc/${pid}/exe`) === executableOf(one));
  } catch {
    return false;
  }
}

test("twenty runs on four slots", async () => {
  const agents: { agent: ProgramAgent; issueId: string }[] = [];
  const { call } = ground.system;
  for (let n = 0; n < runsCount; n += 1) {
    const program = programs[n % 2]!;
    const agent = await ground.newAgent(program);
    agent.talk.script(
      { tool: shellCall(program, `echo ${n} > made.txt; sleep 0.3`) },
      { text: `answer ${n}` },
    );
    const issue = { title: `Issue ${n}`, assigneeAgentId: agent.id, status: "todo" };
    const created = await call("POST", `/companies/${ground.companyId}/issues`, issue);
    agents.push({ agent, issueId: String(created.body["id"]) });
  }
  let most = 0;
  const peaks = new Map<number, { program: string; peakMb: number }>();
  const runs = await until(
    "all runs are over",
    async () => {
      const now = living();
      most = Math.max(most, now.size);
      for (const [pid, one] of now) peaks.set(pid, one);
      const { body } = await call("GET", `/companies/${ground.companyId}/heartbeat-runs`);
      const all = body as unknown as Row[];
      return all.filter(({ finishedAt }) => finishedAt !== null).length === runsCount && all;
    },
    { timeoutMs: 400_000, describe: () => ({ most, peaks: peaks.size }) },
  );
  expect(runs.map(({ status }) => status)).toEqual(runs.map(() => "succeeded"));
  expect(most).toBeGreaterThan(1);
  expect(most).toBeLessThanOrEqual(slots);
  // First in, first out: a run may be overtaken by those that are taken together with it, and by no other.
  const order = runs.toSorted((a, b) =>
    String(a["createdAt"]).localeCompare(String(b["createdAt"])),
  );
  for (const [index, run] of order.entries())
    for (const later of order.slice(index + slots + 1))
      expect(String(later["startedAt"]) >= String(run["startedAt"])).toBe(true);
  for (const { agent, issueId } of agents) {
    expect(readFileSync(`${agent.workspace}/made.txt`, "utf8")).toMatch(/^\d+\n$/);
    const { body } = await call("GET", `/issues/${issueId}/lock`);
    expect(body["holder"] ?? null).toBeNull();
  }
  for (const program of programs) {
    const own = [...peaks.values()].filter((one) => one.program === program);
    const sorted = own.map(({ peakMb }) => Math.round(peakMb)).toSorted((a, b) => a - b);
    process.stdout.write(
      `agents: ${program}: ${sorted.length} processes seen, peak memory ${sorted[Math.floor(sorted.length / 2)]} MB median, ${sorted.at(-1)} MB most\n`,
    );
  }
}, 500_000);
