// Owns the scenarios of an issue that one run holds while others want it.
import assert from "node:assert/strict";
import type { Row } from "../client.js";
import { assertApart, assertNothingWritten, only } from "../evidence.js";
import type { Rows } from "../rows.js";
import type { Scenario } from "../scenario.js";
import type { Scene } from "../scene.js";
import {
  hasRuns,
  isOver,
  isQuiet,
  isRunning,
  isStill,
  runsOf,
  until,
  wakeToEnd,
  wakeToWork,
} from "../waits.js";
import { nobody } from "./wakes.js";

/** The lock as a client sees it. */
export async function observeLock(scene: Scene, issueId: string, what: string): Promise<void> {
  const { body } = await scene.call("GET", `/api/issues/${issueId}`);
  const issue = body as Row;
  scene.observe(what, {
    executionRunId: issue["executionRunId"],
    executionAgentNameKey: issue["executionAgentNameKey"],
    executionLockedAt: issue["executionLockedAt"],
    status: issue["status"],
    checkoutRunId: issue["checkoutRunId"],
  });
}

const onIssue = (issueId: string, more: Row = {}): Row => ({ payload: { issueId, ...more } });

const contextOf = (run: Row | undefined): Row => (run?.["context_snapshot"] ?? {}) as Row;

/** The runs of an issue, one after the other in time. */
function inTurn(rows: Rows, issueId: unknown): Row[] {
  const runs = rows.heartbeat_runs
    .filter((run) => contextOf(run)["issueId"] === issueId)
    .toSorted((a, b) => Number(a["started_at"]) - Number(b["started_at"]));
  for (const [index, run] of runs.slice(1).entries()) assertApart(runs[index]!, run);
  return runs;
}

const oneAgent: readonly Scenario[] = [
  {
    id: "c01-issue-lock-cycle",
    rows: ["I2", "R1"],
    title: "wake with payload.issueId",
    why: "lock set to the run while it is at work, cleared after",
    run: async (scene) => {
      const agent = await scene.agent("A", scene.gated());
      const issue = await scene.issue("I1");
      const run = await wakeToWork(scene, agent, onIssue(issue));
      await observeLock(scene, issue, "while running");
      scene.open("go");
      await isOver(scene, run.id);
      await observeLock(scene, issue, "after");
    },
  },
  {
    id: "c02-same-agent-coalesced",
    rows: ["I6"],
    title: "same agent, same issue, while its run is at work",
    why: "reason issue_execution_same_name; that run is the answer",
    run: async (scene) => {
      const agent = await scene.agent("A", scene.gated());
      const issue = await scene.issue("I1");
      await wakeToWork(scene, agent, onIssue(issue));
      await scene.wake(agent, { ...onIssue(issue, { x: 2 }), reason: "again" });
      scene.open("go");
    },
  },
  {
    id: "c03-comment-on-issue-path-not-followup",
    rows: ["I7", "B12"],
    title: "a comment on an issue that the same agent holds",
    why: "seed: joins the run at work. 0.2.7: deferred, then a run of its own",
    run: async (scene) => {
      const agent = await scene.agent("A", scene.gated());
      const issue = await scene.issue("I1");
      await wakeToWork(scene, agent, onIssue(issue));
      await scene.wake(agent, onIssue(issue, { commentId: "c9" }));
      scene.open("go");
      await hasRuns(scene, 2);
      await isQuiet(scene);
      scene.seen["issue"] = issue;
    },
    want: ({ seen }, rows) => {
      const [first, second, ...more] = inTurn(rows, seen["issue"]);
      assert.deepEqual(more, []);
      assert.equal(contextOf(first)["wakeCommentId"], undefined);
      assert.equal(contextOf(second)["wakeCommentId"], "c9");
      assert.equal(second?.["status"], "succeeded");
    },
  },
  {
    id: "c08-issue-not-found",
    rows: ["I1", "I11"],
    title: "payload.issueId that nothing has",
    why: "202 skipped, reason issue_execution_issue_not_found",
    run: async (scene) => {
      await scene.wake(await scene.agent("A"), onIssue(nobody));
    },
  },
  {
    id: "c09-issue-id-not-uuid",
    rows: ["I1"],
    title: "payload.issueId 'abc'",
    why: "500, nothing written",
    run: async (scene) => {
      await scene.wake(await scene.agent("A"), onIssue("abc"));
    },
    want: ({ answers }, rows) => {
      const { status, body } = only(answers, "answer");
      assert.equal(status, 400);
      assert.match(JSON.stringify(body), /payload.{1,3}issueId/);
      assertNothingWritten(rows);
    },
  },
  {
    id: "c22-issue-live-and-active-run",
    rows: ["L4"],
    title: "an issue's live runs, active run and runs",
    why: "shapes",
    run: async (scene) => {
      const agent = await scene.agent("A", scene.gated());
      const issue = await scene.issue("I1");
      const read = (what: string) => scene.request("GET", `/api/issues/${issue}/${what}`);
      await read("active-run");
      const run = await wakeToWork(scene, agent, onIssue(issue));
      for (const what of ["live-runs", "active-run", "runs"]) await read(what);
      scene.open("go");
      await isOver(scene, run.id);
      for (const what of ["live-runs", "runs"]) await read(what);
      await scene.request("GET", `/api/heartbeat-runs/${run.id}/issues`);
      await scene.request("GET", `/api/issues/${nobody}/active-run`);
    },
  },
  {
    id: "c25-project-workspace-context",
    rows: ["E5"],
    title: "an issue in a project whose workspace has a folder",
    why: "the run's row does not keep paperclipWorkspace; the agent's own folder wins",
    run: async (scene) => {
      const adapterConfig = { command: "/bin/pwd", cwd: "/usr" };
      const agent = await scene.agent("A", { adapterConfig });
      const workspace = { cwd: "/usr/share", isPrimary: true };
      const path = `/api/companies/${scene.companyId}/projects`;
      const { body } = await scene.request(
        "POST",
        path,
        { name: "P", workspace },
        { noBody: true },
      );
      const projectId = (body as Row)["id"];
      scene.names.give("project", projectId, "P");
      await wakeToEnd(scene, agent, onIssue(await scene.issue("I1", { projectId })));
    },
  },
];

const twoAgents: readonly Scenario[] = [
  {
    id: "c06-deferred-same-agent-twice",
    rows: ["I8", "I10", "R2", "R4", "R5"],
    title: "B deferred twice on one issue",
    why: "seed: two deferred rows, each with a run of its own. 0.2.7: the second joins the first",
    run: async (scene) => {
      const a = await scene.agent("A", scene.gated());
      const b = await scene.agent("B");
      const issue = await scene.issue("I1");
      await wakeToWork(scene, a, onIssue(issue));
      await scene.wake(b, onIssue(issue));
      await scene.wake(b, onIssue(issue));
      scene.open("go");
      await hasRuns(scene, 2);
      await isQuiet(scene);
      // As the recording says that it did not get the third run of the seed.
      if ((await runsOf(scene)).length < 3) scene.note("TIMEOUT waiting: 3 runs");
    },
  },
  {
    id: "c11-same-name-agents",
    rows: ["I9", "B13", "B17"],
    title: "two agents 'Bob' and ' bob '",
    why: "equal names: the second AGENT's wake joins the first one's run",
    run: async (scene) => {
      const a = await scene.agent("Bob", scene.gated());
      const b = await scene.agent(" bob ");
      const issue = await scene.issue("I1");
      await wakeToWork(scene, a, onIssue(issue));
      const { body } = await scene.wake(b, onIssue(issue));
      scene.seen["answer"] = body;
      scene.open("go");
      await hasRuns(scene, 2);
      await isQuiet(scene);
      Object.assign(scene.seen, { a, b, issue });
    },
    want: ({ seen }, rows) => {
      assert.equal((seen["answer"] as Row)["status"], "skipped");
      const runs = inTurn(rows, seen["issue"]);
      assert.deepEqual(
        runs.map(({ agent_id, status }) => [agent_id, status]),
        [
          [seen["a"], "succeeded"],
          [seen["b"], "succeeded"],
        ],
      );
    },
  },
  {
    id: "c19-checkout-conflict",
    rows: ["B14"],
    title: "checkout of an issue that another run holds",
    why: "409 Issue checkout conflict with details",
    run: async (scene) => {
      const a = await scene.agent("A", scene.gated());
      const b = await scene.agent("B");
      const issue = await scene.issue("I1");
      await wakeToWork(scene, a, onIssue(issue));
      const checkout = { agentId: b, expectedStatuses: ["todo"] };
      await scene.request("POST", `/api/issues/${issue}/checkout`, checkout);
      scene.open("go");
    },
  },
  {
    id: "c23-lock-held-while-queued",
    rows: ["B14", "I2"],
    title: "an issue's run queued behind another task of its agent",
    why: "a queued run holds the lock already; the other agent is deferred",
    run: async (scene) => {
      const a = await scene.agent("A", scene.gated());
      const b = await scene.agent("B", { adapterConfig: scene.shell(scene.gate("b-goes")) });
      const issue = await scene.issue("I1");
      await wakeToWork(scene, a, { payload: { taskKey: "other" } });
      const queued = await scene.wake(a, onIssue(issue));
      await observeLock(scene, issue, "beside a queued run");
      const { body } = await scene.wake(b, onIssue(issue));
      const runOfB = await isRunning(scene, (body as Row)["id"]);
      scene.open("go");
      const queuedId = (queued.body as Row)["id"];
      // A's slot is free now, its issue is not: the run waits until B has ended.
      await isStill(scene, "A's run still waits", async () => {
        const runs = await runsOf(scene);
        const busy = runs.filter(({ status }) => status === "running").map(({ id }) => id);
        return busy.length === 1 && busy[0] === runOfB.id ? busy.join() : null;
      });
      scene.open("b-goes");
      await isOver(scene, queuedId);
      Object.assign(scene.seen, { issue, order: [runOfB.id, queuedId] });
    },
    want: ({ seen, steps }, rows) => {
      const observed = only(
        steps.filter((step) => step["observe"] === "beside a queued run"),
        "observation",
      );
      assert.equal((observed["value"] as Row)["executionRunId"], null);
      const runs = inTurn(rows, seen["issue"]);
      assert.deepEqual(
        runs.map(({ id }) => id),
        seen["order"],
      );
    },
  },
  {
    id: "c15-mention-bypasses-lock",
    rows: ["I8", "B15"],
    title: "@B is mentioned while A holds the issue",
    why: "0.2.7: B works beside A, the lock stays A's",
    run: async (scene) => {
      const a = await scene.agent("A", scene.gated());
      const b = await scene.agent("B", scene.gated());
      const issue = await scene.issue("I1", { assigneeAgentId: a });
      await until(
        scene,
        "A is at work",
        async () => (await runsOf(scene))[0]?.status === "running",
      );
      await scene.comment(issue, { body: "hey @B look" });
      const deferred = await isStill(scene, "A is alone", async () => {
        const busy = (await runsOf(scene)).filter(({ status }) => status === "running");
        return busy.length === 1 ? busy.map(({ id }) => id).join() : null;
      });
      await observeLock(scene, issue, "lock");
      scene.open("go");
      await until(scene, "B had its turn", async () =>
        (await runsOf(scene)).some((run) => run["agentId"] === b && run.status === "succeeded"),
      );
      await isQuiet(scene);
      Object.assign(scene.seen, { a, b, issue, deferred });
    },
    want: ({ seen }, rows) => {
      const runs = inTurn(rows, seen["issue"]);
      assert.equal(runs[0]?.["id"], seen["deferred"]);
      assert.equal(runs[0]?.["agent_id"], seen["a"]);
      assert.ok(
        runs.some(({ agent_id, status }) => agent_id === seen["b"] && status === "succeeded"),
      );
    },
  },
];

export const issueLockScenarios: readonly Scenario[] = [...oneAgent, ...twoAgents];
