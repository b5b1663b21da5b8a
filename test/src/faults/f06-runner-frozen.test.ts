// F6: a runner is stopped for longer than its lease, alone or with its guard and its trees, and goes on as if no time had passed. The
// trees die first, then the attempts are repeated elsewhere, and what the thawed one still has to say changes nothing.
// One runner and its guard alone, in both kinds of containment: test/src/runner/guard.test.ts.
import { rmSync } from "node:fs";
import { join } from "node:path";
import { signal } from "@reveille/local/process-identity";
import { expect, onTestFinished, test } from "vitest";
import { clusterOfFile } from "../harness/cluster.js";
import { inForm } from "../harness/fault-form.js";
import { openLastingRuns } from "../harness/lasting-runs.js";
import { openLoad, type Load } from "../harness/load.js";
import { overRun, runOf, wakeOf } from "../harness/run-evidence.js";
import {
  guardDeadlineMs,
  guardOf,
  isStopped,
  runnerLeaseMs,
  runnerOf,
  shortRunnerLeases,
} from "../harness/runner-process.js";
import { until } from "../harness/until.js";

const cluster = clusterOfFile({ env: shortRunnerLeases });
const rounds = inForm(1, 4);
/**
 * A frozen runner is given work for as long as its last pull waits in the server (6 s), and what it was given comes again after `ack_wait`
 * (5 s): an attempt that is repeated may be among that.
 */
const settledWithinMs = runnerLeaseMs + 6_000 + 5_000;
/** Some of them reach the thawed runner, which has to begin another life before. */
const wakesAfterwards = 40;

/** Stops processes; they go on when they are told to, or when the test has failed. */
function freeze(pids: readonly number[]): void {
  onTestFinished(() => thaw(pids));
  for (const pid of pids) signal(pid, "SIGSTOP");
}
function thaw(pids: readonly number[]): void {
  for (const pid of pids) signal(pid, "SIGCONT");
}

/** New work is begun, by the thawed runner too; to be judged when everything is over. */
async function workAgain(name: string): Promise<Load> {
  const load = await openLoad(cluster(), { agents: 6, issues: 0, lives: 50, name });
  await load.more(wakesAfterwards);
  return load;
}

test("[F6] runner frozen past its guard's deadline: the tree dies first, then the attempt is repeated once elsewhere [B6] [B30] [Z2]", async () => {
  for (let round = 0; round < rounds; round += 1) {
    const runs = await openLastingRuns(cluster(), `frozen-${round}`);
    let frozen = 0;
    const { tookMs } = await runs.harm((pid) => {
      freeze([pid]);
      frozen = pid;
    });
    // Not before the deadline, less the age of the last renewal; and long before anybody would wait for the consumer's ack_wait.
    expect(tookMs).toBeGreaterThan(guardDeadlineMs / 2);
    expect(tookMs).toBeLessThan(settledWithinMs);
    expect(isStopped(frozen)).toBe(true);
    for (const { id } of runs.lasting)
      if ((await runs.alive()).has(id)) expect(await runnerOf(cluster(), id)).not.toBe(frozen);
    thaw([frozen]);
    const load = await workAgain(`frozen-after-${round}`);
    await runs.settle();
    await load.settle();
  }
});

test("[F6] a process that ends well while its runner is frozen: its result is ignored, the attempt after it counts", async () => {
  const { witness } = cluster();
  rmSync(join(witness.dir, "release"), { force: true });
  const agents = await cluster().agents(4, "released");
  const wakes = agents.map((agent, n) => wakeOf(agent, `zombie-${n}`));
  await cluster().client.wakeAll(wakes);
  const started = (attempt: number) =>
    witness
      .lines()
      .filter(
        (line) =>
          line.what === "start" &&
          line.attempt === attempt &&
          agents.some(({ agentId }) => agentId === line.agentId),
      );
  await until("all live", () => started(1).length === wakes.length);
  const pid = await runnerOf(cluster(), wakes[0]!.id);
  const incarnation = (await runOf(cluster(), wakes[0]!))!.runner_incarnation;
  freeze([pid]);
  // Long before the guard kills it, and with nobody there to see it.
  witness.release();
  const before = await Promise.all(wakes.map((wake) => overRun(cluster(), wake)));
  const [first] = before;
  expect(isStopped(pid)).toBe(true);
  expect(first).toMatchObject({ status: "succeeded", attempt: 2, losses: 1 });
  expect(first!.runner_incarnation).not.toBe(incarnation);
  const ends = witness.lines().filter(({ what, runId }) => what === "end" && runId === first!.id);
  expect(ends.map(({ attempt }) => attempt)).toEqual([1, 2]);

  thaw([pid]);
  await (await workAgain("zombie-after")).settle();
  expect(await Promise.all(wakes.map((wake) => runOf(cluster(), wake)))).toEqual(before);
  await cluster().expectAllWell(wakes, agents);
});

test("[F6] runner, guard and trees frozen together: another runner of the place ends them, then they are repeated", async () => {
  for (let round = 0; round < rounds; round += 1) {
    const runs = await openLastingRuns(cluster(), `all-frozen-${round}`);
    const frozen: number[] = [];
    const { tookMs, hit } = await runs.harm(async (pid) => {
      const own = new Set<string>();
      for (const { id } of runs.lasting) if ((await runnerOf(cluster(), id)) === pid) own.add(id);
      const ids = new Set(
        (await Promise.all(runs.lasting.map((wake) => runOf(cluster(), wake))))
          .filter((run, n) => run && own.has(runs.lasting[n]!.id))
          .map((run) => run!.id),
      );
      frozen.push(pid, guardOf(pid)!);
      freeze(frozen);
      for (const line of cluster().witness.lines())
        if (line.what === "start" && ids.has(line.runId)) signal(line.pid, "SIGSTOP");
    });
    process.stderr.write(`${hit.length} runs settled after ${Math.round(tookMs)} ms\n`);
    expect(tookMs).toBeLessThan(settledWithinMs);
    expect(frozen.filter(isStopped)).toEqual(frozen);
    thaw(frozen);
    const load = await workAgain(`all-frozen-after-${round}`);
    await runs.settle();
    await load.settle();
  }
});
