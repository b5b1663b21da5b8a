// Owns waiting in scenarios: ask again until it is so. What never becomes so ends the scenario with what was last seen.
import { setTimeout as pause } from "node:timers/promises";
import type { Row } from "./client.js";
import type { Scene } from "./scene.js";

/** As often as a client that polls eagerly. */
const intervalMs = 25;
/** Most is over within a second; the rest is for a busy machine. */
const patienceMs = 20_000;
/** What has not moved for so long is taken as at rest. */
const stillMs = 350;

export type Run = Row & { id: string; status: string; contextSnapshot: Row | null };
export const over = ["succeeded", "failed", "cancelled", "timed_out"] as const;

/** The first answer that is neither null, undefined nor false. @throws Error that names `what` and shows the company's runs. */
export async function until<T>(
  scene: Scene,
  what: string,
  probe: () => Promise<T | null | undefined | false> | T | null | undefined | false,
  timeoutMs = patienceMs,
): Promise<T> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    const answer = await probe();
    if (answer !== null && answer !== undefined && answer !== false) return answer;
    if (performance.now() > deadline) {
      const runs = (await runsOf(scene)).map(({ id, status, error }) => ({ id, status, error }));
      throw new Error(`${what}: not within ${timeoutMs} ms; runs: ${JSON.stringify(runs)}`);
    }
    await pause(intervalMs);
  }
}

/** The company's runs, newest first; they get their names, the oldest first. */
export async function runsOf(scene: Scene): Promise<Run[]> {
  const { body } = await scene.call("GET", `/api/companies/${scene.companyId}/heartbeat-runs`);
  const runs = body as Run[];
  for (const run of runs.toReversed()) {
    scene.names.give("run", run.id);
    scene.names.give("wake", run["wakeupRequestId"]);
  }
  return runs;
}

const runCount = async (scene: Scene, status?: string): Promise<number> =>
  (await runsOf(scene)).filter((run) => status === undefined || run.status === status).length;

/** There are so many runs, whatever their status. */
export const hasRuns = (scene: Scene, count: number): Promise<unknown> =>
  until(scene, `${count} runs`, async () => (await runCount(scene)) === count);

/** So many are running. */
export const areRunning = (scene: Scene, count: number): Promise<unknown> =>
  until(scene, `${count} running`, async () => (await runCount(scene, "running")) === count);

/** The run has a log and its adapter was called, so its process is there or about to be. */
export const isRunning = (scene: Scene, runId: unknown): Promise<Run> =>
  until(scene, `run ${String(runId)} is running`, async () => {
    const run = (await runsOf(scene)).find(({ id }) => id === runId);
    if (run?.status !== "running" || !run["logRef"]) return null;
    const events = await scene.call("GET", `/api/heartbeat-runs/${String(runId)}/events`);
    return (events.body as Row[]).length >= 2 && run;
  });

/** The run has ended. */
export const isOver = (scene: Scene, runId: unknown): Promise<Run> =>
  until(scene, `run ${String(runId)} is over`, async () => {
    const run = (await runsOf(scene)).find(({ id }) => id === runId);
    return run && over.some((status) => status === run.status) && run;
  });

/** Every run is over, and stays so; no agent shows as running. */
export async function isQuiet(scene: Scene): Promise<void> {
  await isStill(scene, "all runs are over", async () => {
    const runs = await runsOf(scene);
    const open = runs.some(({ status }) => !over.some((one) => one === status));
    return open ? null : runs.map(({ id, status }) => `${id} ${status}`).join();
  });
  await until(scene, "no agent is running", async () => {
    const { body } = await scene.call("GET", `/api/companies/${scene.companyId}/agents`);
    return (body as Row[]).every(({ status }) => status !== "running");
  });
}

/** The probe's answer, once it is there and has not changed for a while. */
export function isStill(
  scene: Scene,
  what: string,
  probe: () => Promise<string | null>,
): Promise<string> {
  let last: string | null = null;
  let since = performance.now();
  return until(scene, what, async () => {
    const now = await probe();
    if (now !== last) [last, since] = [now, performance.now()];
    return last !== null && performance.now() - since >= stillMs && last;
  });
}

/** Wakes, and waits for the end of the run, if there is one. */
export async function wakeToEnd(scene: Scene, agentId: string, body: unknown = {}): Promise<Run> {
  const answer = await scene.wake(agentId, body);
  const { id } = answer.body as Run;
  if (typeof id === "string") await isOver(scene, id);
  return answer.body as Run;
}

/** Wakes, and waits until the run is at work. */
export async function wakeToWork(scene: Scene, agentId: string, body: unknown = {}): Promise<Run> {
  const { id } = (await scene.wake(agentId, body)).body as Run;
  return isRunning(scene, id);
}
