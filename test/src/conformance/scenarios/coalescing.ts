// Owns the scenarios of one agent with several wakes: which join, which follow, how many run at once.
import assert from "node:assert/strict";
import type { Row } from "../client.js";
import { column, only } from "../evidence.js";
import type { Scenario } from "../scenario.js";
import { areRunning, isOver, isQuiet, isStill, runsOf, wakeToEnd, wakeToWork } from "../waits.js";

const taskOf = (run: { contextSnapshot: Row | null }): unknown => run.contextSnapshot?.["taskKey"];

/** `maxConcurrentRuns` and so many wakes of different tasks. */
const limit = (
  id: string,
  maxConcurrentRuns: unknown,
  wakes: number,
  free: readonly string[] = [],
): Scenario => ({
  id,
  title: `maxConcurrentRuns ${JSON.stringify(maxConcurrentRuns)} with ${wakes} tasks`,
  why: "floor, default 1, clamp 1..10",
  rows: ["W9", "Q1"],
  free,
  run: async (scene) => {
    const runtimeConfig = { heartbeat: { maxConcurrentRuns } };
    const agent = await scene.agent("A", scene.gated({ runtimeConfig }));
    for (let index = 0; index < wakes; index += 1)
      await scene.wake(agent, { payload: { taskKey: `T${index}` } }, { silent: true });
    const counts = await isStill(scene, "some run and all are there", async () => {
      const runs = await runsOf(scene);
      const running = runs.filter(({ status }) => status === "running").length;
      const queued = runs.filter(({ status }) => status === "queued").length;
      return running > 0 && running + queued === wakes ? JSON.stringify({ running, queued }) : null;
    });
    scene.observe("counts", JSON.parse(counts));
    scene.open("go");
    await isQuiet(scene);
  },
});

/** With several runs beside each other, the last one is whichever ended last. */
const atOnce = ["last_run_id"];

export const coalescingScenarios: readonly Scenario[] = [
  {
    id: "b01-coalesce-running-noscope",
    rows: ["T2", "T6"],
    title: "second wake without a task while a run is at work",
    why: "merged into that run; wake row coalesced with its id",
    run: async (scene) => {
      const agent = await scene.agent("A", scene.gated());
      const run = await wakeToWork(scene, agent, { reason: "first" });
      await scene.wake(agent, { reason: "second" });
      scene.open("go");
      await isOver(scene, run.id);
    },
  },
  {
    id: "b03-fifo-different-keys",
    rows: ["Q1", "T5"],
    title: "four tasks, one at a time",
    why: "in the order of creation",
    run: async (scene) => {
      const adapterConfig = scene.shell(`${scene.gate("go")}; sleep 0.05`);
      const agent = await scene.agent("A", { adapterConfig });
      for (const taskKey of ["T1", "T2", "T3", "T4"])
        await scene.wake(agent, { payload: { taskKey } });
      await areRunning(scene, 1);
      const statuses = (await runsOf(scene)).map((run) => [taskOf(run), run.status]);
      scene.observe(
        "statuses",
        statuses.toSorted(([a], [b]) => String(a).localeCompare(String(b))),
      );
      scene.open("go");
      await isQuiet(scene);
      const runs = (await runsOf(scene)).toSorted((a, b) =>
        String(a["startedAt"]) < String(b["startedAt"]) ? -1 : 1,
      );
      scene.observe("startOrder", runs.map(taskOf));
    },
  },
  {
    id: "b04-comment-followup",
    rows: ["T3", "T4", "C6", "B12"],
    title: "two comments while a run of the same task is at work",
    why: "a follow-up is queued instead of joining; the second comment joins the follow-up",
    run: async (scene) => {
      const agent = await scene.agent("A", scene.gated());
      await wakeToWork(scene, agent, { payload: { taskKey: "T" } });
      await scene.wake(agent, { payload: { taskKey: "T", commentId: "c1" } });
      await scene.wake(agent, { payload: { taskKey: "T", commentId: "c2" } });
      scene.open("go");
    },
  },
  {
    id: "b05-comment-wake-idle",
    rows: ["C2", "C3"],
    title: "a comment for an idle agent",
    why: "plain run with wakeCommentId",
    run: async (scene) => {
      await wakeToEnd(scene, await scene.agent("A"), {
        payload: { taskKey: "T", commentId: "c1" },
      });
    },
  },
  limit("b10-maxConcurrent-0", 0, 3),
  limit("b11-maxConcurrent-3", 3, 5, atOnce),
  limit("b12-maxConcurrent-99", 99, 12, atOnce),
  limit("b13-maxConcurrent-string", "4", 3),
  limit("b14-maxConcurrent-2.9", 2.9, 4, atOnce),
  limit("b15-maxConcurrent-neg", -5, 3),
  {
    id: "b17-concurrent-burst-same-scope",
    rows: ["T1", "T2", "B11"],
    title: "20 equal wakes at once for an idle agent",
    why: "check, then insert: between 1 and 20 runs",
    run: async (scene) => {
      const agent = await scene.agent("A", scene.gated());
      const wake = () => scene.wake(agent, { payload: { taskKey: "T" } }, { silent: true });
      const answers = await Promise.all(Array.from({ length: 20 }, wake));
      scene.seen["runIds"] = answers.map(({ body }) => (body as Row)["id"]);
      scene.open("go");
    },
    want: ({ seen }, rows) => {
      const run = only(rows.heartbeat_runs, "run");
      assert.deepEqual(new Set(seen["runIds"] as string[]), new Set([run["id"]]));
      const statuses = column(rows.agent_wakeup_requests, "status");
      assert.equal(statuses.filter((status) => status === "coalesced").length, 19);
      assert.equal(statuses.filter((status) => status === "completed").length, 1);
      assert.deepEqual(new Set(column(rows.agent_wakeup_requests, "run_id")), new Set([run["id"]]));
    },
  },
];
