// Owns the scenarios of what happens to an issue and wakes its agent: assigned, commented, interrupted, reopened.
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { only } from "../evidence.js";
import type { Scenario } from "../scenario.js";
import type { Scene } from "../scene.js";
import { hasRuns, isQuiet, runsOf, until } from "../waits.js";

/** An agent and an issue of its, when the run that the assignment caused is over. */
async function assigned(scene: Scene, agent: string): Promise<string> {
  const issue = await scene.issue("I1", { assigneeAgentId: agent });
  await hasRuns(scene, 1);
  await isQuiet(scene);
  return issue;
}

export const issueEventScenarios: readonly Scenario[] = [
  {
    id: "c12-assign-on-create",
    title: "issue created with an assignee",
    why: "wake of source assignment, issue_assigned",
    run: async (scene) => {
      await scene.issue("I1", { assigneeAgentId: await scene.agent("A") });
      await hasRuns(scene, 1);
    },
  },
  {
    id: "c14-comment-on-assigned-issue",
    title: "the board comments, the assignee is idle",
    why: "wake of source automation, issue_commented",
    run: async (scene) => {
      const agent = await scene.agent("A", { runtimeConfig: { heartbeat: {} } });
      const issue = await assigned(scene, agent);
      await scene.comment(issue, { body: "hello" });
      await hasRuns(scene, 2);
    },
  },
  {
    id: "c16-comment-interrupt",
    rows: ["B6"],
    title: "a comment with interrupt",
    why: "the running run is cancelled (or succeeds by a race), then a new wake",
    run: async (scene) => {
      const others = `for p in $(cat ${scene.folder}/pids); do kill -0 $p && : >${scene.folder}/met; done`;
      const script = `touch ${scene.folder}/pids; ${others}; echo $$ >>${scene.folder}/pids; exec sleep 30`;
      const agent = await scene.agent("A", { adapterConfig: scene.shell(script) });
      const issue = await scene.issue("I1", { assigneeAgentId: agent });
      await until(scene, "its process is there", () => existsSync(join(scene.folder, "pids")));
      const [interrupted] = await runsOf(scene);
      await scene.comment(issue, { body: "stop", interrupt: true });
      await hasRuns(scene, 2);
      const follower = await until(scene, "the follow-up is at work", async () =>
        (await runsOf(scene)).find(
          // The interrupted one shows as running until its process is dead.
          ({ id, status }) => status === "running" && id !== interrupted?.id,
        ),
      );
      scene.seen["follower"] = follower.id;
      await scene.call("POST", `/api/heartbeat-runs/${follower.id}/cancel`);
    },
    want: ({ seen, folder }, rows) => {
      const interrupted = only(
        rows.heartbeat_runs.filter(({ id }) => id !== seen["follower"]),
        "interrupted run",
      );
      assert.equal(interrupted["status"], "cancelled");
      assert.equal(interrupted["signal"], "SIGTERM");
      assert.ok(!existsSync(join(folder, "met")), "the follow-up met the interrupted process");
    },
  },
  {
    id: "c17-comment-reopen",
    title: "a comment with reopen on an issue that is done",
    why: "status todo, and a wake issue_reopened_via_comment",
    run: async (scene) => {
      const issue = await assigned(scene, await scene.agent("A"));
      await scene.request("PATCH", `/api/issues/${issue}`, { status: "done" }, { noBody: true });
      await scene.comment(issue, { body: "again", reopen: true });
      await hasRuns(scene, 2);
    },
  },
  {
    id: "h05-agent-comment-via-key",
    title: "agent B comments on an issue of A",
    why: "the wake is requested by an agent",
    run: async (scene) => {
      const a = await scene.agent("A");
      const b = await scene.agent("B");
      const issue = await assigned(scene, a);
      const { token } = await scene.key(b);
      const headers = { authorization: `Bearer ${token}` };
      await scene.comment(issue, { body: "from b" }, { headers, as: "agent B" });
      await hasRuns(scene, 2);
    },
  },
];
