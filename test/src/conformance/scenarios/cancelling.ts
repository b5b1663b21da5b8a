// Owns the scenarios of runs that are ended from outside: cancel, pause, resume. Each looks for processes that live on.
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { join } from "node:path";
import type { Row } from "../client.js";
import { assertNumbered, column, only, processesOf } from "../evidence.js";
import type { Scenario } from "../scenario.js";
import type { Scene } from "../scene.js";
import { isOver, until, wakeToEnd, wakeToWork } from "../waits.js";
import type { Run } from "../waits.js";
import { nobody } from "./wakes.js";

const sleeper = { command: "/bin/sleep", args: ["30"], cwd: "/tmp" };
const cancelled = "Cancelled by control plane";

const hasStarted = (scene: Scene): Promise<unknown> =>
  until(scene, "its process is ready", () => existsSync(join(scene.folder, "ready")));

/** The run's end, at which none of its processes may live. */
async function endsWithItsTree(scene: Scene, runId: string): Promise<Run> {
  const run = await isOver(scene, runId);
  assert.deepEqual(processesOf(runId), [], "no process outlives its run");
  return run;
}

/** Between two times of a row, in ms. */
const spent = (run: Row, from: string, to: string): number =>
  Number(new Date(String(run[to]))) - Number(new Date(String(run[from])));

const status = ({ status: now }: Row): Row => ({ status: now });

export const cancellingScenarios: readonly Scenario[] = [
  {
    id: "d02-cancel-running",
    rows: ["X4", "B8", "B9"],
    title: "cancel of `sleep`",
    why: "SIGTERM; cancelled or, by a race, succeeded; two events with seq 1",
    ws: true,
    run: async (scene) => {
      const agent = await scene.agent("A", { adapterConfig: sleeper });
      const run = await wakeToWork(scene, agent, {});
      await until(scene, "its process is there", () => processesOf(run.id).length > 0);
      await scene.cancel(run.id);
      await endsWithItsTree(scene, run.id);
    },
    want: (_, rows) => {
      const run = only(rows.heartbeat_runs, "run");
      assert.deepEqual(
        [run["status"], run["signal"], run["error"], run["error_code"]],
        ["cancelled", "SIGTERM", cancelled, "cancelled"],
      );
      assertNumbered(rows);
    },
  },
  {
    id: "d03-cancel-sigterm-ignored",
    rows: ["X3", "B4"],
    title: "cancel of a process that ignores SIGTERM, with a grace of 1 s",
    why: "SIGKILL is never sent: the process outlives its cancelled run",
    run: async (scene) => {
      const ready = `trap '' TERM; touch ${scene.folder}/ready`;
      const script = `${ready}; for i in $(seq 1 300); do sleep 0.1; done; echo survived`;
      const adapterConfig = scene.shell(script, { graceSec: 1 });
      const run = await wakeToWork(scene, await scene.agent("A", { adapterConfig }), {});
      await hasStarted(scene);
      const asked = performance.now();
      await scene.cancel(run.id);
      await endsWithItsTree(scene, run.id);
      scene.seen["tookMs"] = performance.now() - asked;
    },
    want: ({ seen }, rows) => {
      const run = only(rows.heartbeat_runs, "run");
      assert.deepEqual([run["status"], run["signal"]], ["cancelled", "SIGKILL"]);
      assert.doesNotMatch(String(run["stdout_excerpt"]), /survived/);
      const tookMs = Number(seen["tookMs"]);
      // The grace, and another second at most: the bar of the specification.
      assert.ok(tookMs >= 950 && tookMs < 2_500, `cancelled after ${Math.round(tookMs)} ms`);
    },
  },
  {
    id: "d05-cancel-unknown",
    rows: ["X1"],
    title: "cancel of a run that is not there, and of what is no id",
    why: "404 and 500",
    run: async (scene) => {
      await scene.cancel(nobody);
      await scene.cancel("zzz");
    },
    want: ({ answers }) => {
      assert.deepEqual(column(answers as unknown as Row[], "status"), [404, 400]);
    },
  },
  {
    id: "d07-pause-cancels-all",
    rows: ["X5", "X6", "B7"],
    title: "pause with one run at work and one queued",
    why: "both cancelled (or succeeded, by a race); the agent stays paused",
    ws: true,
    run: async (scene) => {
      const agent = await scene.agent("A", { adapterConfig: sleeper });
      const first = await wakeToWork(scene, agent, { payload: { taskKey: "T1" } });
      const { body } = await scene.wake(agent, { payload: { taskKey: "T2" } });
      await scene.request("POST", `/api/agents/${agent}/pause`, undefined, { pick: status });
      await endsWithItsTree(scene, first.id);
      await endsWithItsTree(scene, String((body as Row)["id"]));
    },
    want: (_, rows) => {
      assert.deepEqual(column(rows.heartbeat_runs, "status"), ["cancelled", "cancelled"]);
      for (const error of column(rows.heartbeat_runs, "error"))
        assert.equal(error, "Cancelled due to agent pause");
      assert.equal(only(rows.agents, "agent")["status"], "paused");
    },
  },
  {
    id: "d09-resume-after-pause",
    rows: ["X7"],
    title: "pause, resume, wake",
    why: "status idle, then it runs",
    run: async (scene) => {
      const agent = await scene.agent("A");
      for (const command of ["pause", "resume"])
        await scene.request("POST", `/api/agents/${agent}/${command}`, undefined, { pick: status });
      await wakeToEnd(scene, agent);
      await scene.request("POST", `/api/agents/${nobody}/pause`);
    },
  },
  {
    id: "d11-cancel-graceful",
    rows: ["X3", "X4", "B5", "B8"],
    title: "cancel of a process that needs 0.5 s after SIGTERM and exits 143",
    why: "a child in the background keeps the pipe open: the row has no exit code until then",
    ws: true,
    run: async (scene) => {
      const trap = "trap 'sleep 0.5; exit 143' TERM";
      const script = `${trap}; sleep 20 & touch ${scene.folder}/ready; wait $!`;
      const agent = await scene.agent("A", { adapterConfig: scene.shell(script) });
      const run = await wakeToWork(scene, agent, {});
      await hasStarted(scene);
      await scene.cancel(run.id);
      scene.seen["run"] = await endsWithItsTree(scene, run.id);
    },
    want: ({ seen }, rows) => {
      const run = only(rows.heartbeat_runs, "run");
      assert.deepEqual(
        [run["status"], run["exit_code"], run["error"], run["error_code"]],
        ["cancelled", 143, cancelled, "cancelled"],
      );
      assert.ok(
        spent(seen["run"] as Row, "startedAt", "finishedAt") >= 500,
        "it had its half second",
      );
      assertNumbered(rows);
    },
  },
];
