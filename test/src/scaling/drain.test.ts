// Runners that are told to end while they work: what ends within their grace has ended well, what does not goes on elsewhere at once, and
// neither is a failure of the run. A pod that is deleted is this, and the end of everything in it when its own patience is over.
import { signal } from "@reveille/local/process-identity";
import type { ServiceProcess } from "@reveille/local/service-process";
import { openBucket } from "@reveille/shared/nats/bucket";
import { expect, test, vi } from "vitest";
import { clusterOfFile, type Agent } from "../harness/cluster.js";
import { inForm } from "../harness/fault-form.js";
import { runOf, wakeOf, type RunRow } from "../harness/run-evidence.js";
import {
  guardOf,
  runnerLeaseMs,
  runnerOf,
  runnerTiming,
  shortRunnerLeases,
} from "../harness/runner-process.js";
import { until } from "../harness/until.js";
import type { Wake } from "../harness/wake-client.js";

vi.setConfig({ testTimeout: inForm(120_000, 300_000) });

const runsAtOnce = 20;
/** How long the runs of the first test live, ms, the longest first: 60 to 5 s in full, otherwise 9 to 5. */
const lives = Array.from({ length: runsAtOnce }, (_, n) =>
  Math.round(inForm(9_000, 60_000) - (n * inForm(4_000, 55_000)) / (runsAtOnce - 1)),
);
/** Longer than the longest of them. */
const longDrainMs = inForm(15_000, 90_000);
const shortDrainMs = 1_000;
/** From the end of the grace until what was handed back lives elsewhere: killing, three messages, a start. Measured: 0.2 s. */
const elsewhereMs = 3_000;

const cluster = clusterOfFile({
  gateways: 1,
  runners: 0,
  env: shortRunnerLeases,
});

/** Three runners with so much grace, in place of all that there were. */
async function threeRunners(drainMs: number): Promise<ServiceProcess[]> {
  const { stack } = cluster().system;
  for (const old of living()) await old.stop(longDrainMs);
  // Any one of them could hold all runs: what is handed back has somewhere to go.
  const slots = String(runsAtOnce + 10);
  const env = {
    ...runnerTiming,
    REVEILLE_RUNNER_DRAIN_MS: String(drainMs),
    REVEILLE_RUNNER_SLOTS: slots,
  };
  return Promise.all([0, 1, 2].map(() => stack.start("runner", env)));
}
const living = (): ServiceProcess[] =>
  cluster()
    .system.stack.service("runner")
    .filter(({ pid }) => pid !== undefined);

/** Agents' wakes, and all their runs seen alive. */
async function allLive(name: string, agents: readonly Agent[]): Promise<Wake[]> {
  const wakes = agents.map((agent, n) => wakeOf(agent, `${name}-${n}`));
  await cluster().client.wakeAll(wakes);
  await aliveAt(wakes, 1);
  return wakes;
}
/** Resolves when each of these runs has an attempt of at least this number, and that one's process has spoken. */
async function aliveAt(wakes: readonly Wake[], attempt: number): Promise<void> {
  let missing: (string | undefined)[] = [];
  await until(
    `${wakes.length} runs live at attempt ${attempt}`,
    async () => {
      const spoken = new Set(
        cluster()
          .witness.lines()
          .flatMap((line) => (line.what === "start" ? [`${line.runId}:${line.attempt}`] : [])),
      );
      const rows = await Promise.all(wakes.map((wake) => runOf(cluster(), wake)));
      missing = rows.flatMap((run, at) =>
        run && run.attempt >= attempt && spoken.has(`${run.id}:${run.attempt}`)
          ? []
          : [wakes[at]!.id],
      );
      return missing.length === 0;
    },
    { timeoutMs: 30_000, describe: () => ({ missing, logs: cluster().logs() }) },
  );
}
/** The runner of the first of these runs, those of them that it has, and how many have a runner at all. */
async function busyRunner(
  wakes: readonly Wake[],
): Promise<{ leaving: ServiceProcess; own: Wake[]; running: number }> {
  const pid = await runnerOf(cluster(), wakes[0]!.id);
  const rows = await Promise.all(wakes.map((wake) => runOf(cluster(), wake)));
  const own = wakes.filter((_, at) => {
    const { phase, runner_incarnation: incarnation } = rows[at]!;
    return phase === "running" && incarnation === rows[0]!.runner_incarnation;
  });
  const running = rows.filter((run) => run?.phase === "running").length;
  return { leaving: living().find((runner) => runner.pid === pid)!, own, running };
}
/** Resolves when a runner says of itself that it takes nothing more. */
async function drains(pid: number): Promise<void> {
  const bucket = await openBucket(cluster().bus, "runner-leases");
  await until("its lease says that it drains", async () => {
    const entries = await Promise.all((await bucket.keys()).map((key) => bucket.get(key)));
    return entries.some((entry) => {
      const lease = entry && JSON.parse(Buffer.from(entry.value).toString());
      return lease?.pid === pid && lease.draining === true;
    });
  });
}
async function settled(wakes: readonly Wake[], agents: readonly Agent[]): Promise<RunRow[]> {
  await cluster().atRest(wakes, longDrainMs + 30_000);
  await cluster().expectAllWell(wakes, agents);
  return Promise.all(wakes.map(async (wake) => (await runOf(cluster(), wake))!));
}
const shape = ({ status, attempt, losses }: RunRow) => `${status} ${attempt} ${losses}`;

test("SIGTERM to one of three runners while 20 runs live: it ends them all, takes none, loses none [B36]", async () => {
  await threeRunners(longDrainMs);
  const agents = (await Promise.all(lives.map((ms) => cluster().agents(1, ms)))).flat();
  const wakes = await allLive("within-grace", agents);
  const { leaving, own, running } = await busyRunner(wakes);
  expect(running).toBe(runsAtOnce);
  expect(leaving.kill("SIGTERM")).toBe(true);
  // Work comes all the while; it is the others' now.
  const more = agents.map((agent, n) => wakeOf(agent, `after-sigterm-${n}`));
  await cluster().client.wakeAll(more);
  await until("it has ended", () => leaving.pid === undefined, {
    timeoutMs: longDrainMs + 10_000,
    describe: () => cluster().logs(),
  });
  const ended = await Promise.all(own.map((wake) => runOf(cluster(), wake)));
  expect(ended.map((run) => run?.phase)).toEqual(own.map(() => "over"));
  const runs = await settled([...wakes, ...more], agents);
  expect(new Set(runs.map(shape))).toEqual(new Set(["succeeded 1 0"]));
  // Of the life that was told to end, the runs that it had are the only ones.
  const incarnation = runs[wakes.indexOf(own[0]!)]!.runner_incarnation;
  const its = runs.filter((run) => run.runner_incarnation === incarnation);
  expect(its).toHaveLength(own.length);
});

test("SIGTERM with a grace that is shorter than the runs: handed back, alive elsewhere at once, and no loss", async () => {
  await threeRunners(shortDrainMs);
  cluster().witness.hold();
  const long = await cluster().agents(runsAtOnce, "released");
  const quick = await cluster().agents(6, 700);
  const wakes = await allLive("handed-back", long);
  const ends = await allLive("within-short-grace", quick);
  const handedBack = new Map(wakes.map(({ id }) => [id, 0]));
  // Twice, and some runs with it: an agent's default bears one loss.
  for (let round = 0; round < 2; round += 1) {
    const { leaving, own } = await busyRunner(wakes);
    for (const { id } of own) handedBack.set(id, handedBack.get(id)! + 1);
    const began = performance.now();
    expect(leaving.kill("SIGTERM")).toBe(true);
    await Promise.all(own.map((wake) => aliveAt([wake], handedBack.get(wake.id)! + 1)));
    const tookMs = performance.now() - began - shortDrainMs;
    process.stderr.write(
      `${own.length} runs live elsewhere ${Math.round(tookMs)} ms after the grace\n`,
    );
    expect(tookMs).toBeLessThan(elsewhereMs);
    await until("it has ended", () => leaving.pid === undefined);
  }
  expect(handedBack.get(wakes[0]!.id)).toBe(2);
  cluster().witness.release();
  const runs = await settled([...wakes, ...ends], [...long, ...quick]);
  expect(runs.map(shape)).toEqual([
    ...wakes.map(({ id }) => `succeeded ${handedBack.get(id)! + 1} 0`),
    ...ends.map(() => "succeeded 1 0"),
  ]);
  const told = await cluster().rows<{ message: string }>(
    "select message from heartbeat_run_events where message like '% handed back: %' and level = 'info'",
  );
  expect(told).toHaveLength([...handedBack.values()].reduce((sum, n) => sum + n, 0));
});

test("what an agent may not have twice is not repeated by a drain either", async () => {
  const [leaving, ...others] = await threeRunners(shortDrainMs);
  for (const other of others) await other.stop(shortDrainMs);
  cluster().witness.hold();
  const { companyId, system, witness } = cluster();
  const { body } = await system.call("POST", `/companies/${companyId}/agents`, {
    name: "Once and no more",
    adapterType: "process",
    adapterConfig: witness.agent("released", true),
    runtimeConfig: { retry: { lost: 0 } },
  });
  const agent = { companyId, agentId: String(body["id"]), slots: 1 };
  const wakes = await allLive("not-twice", [agent]);
  await leaving!.stop(shortDrainMs + 15_000);
  const [run] = await settled(wakes, [agent]);
  expect(run).toMatchObject({ status: "failed", error_code: "process_lost", attempt: 1 });
  expect(run!.error).toContain("drained");
});

test("a pod is deleted during long runs: SIGTERM, and its end when the pod's patience is over", async () => {
  cluster().witness.hold();
  const agents = await cluster().agents(6, "released");
  // As the manifests have it: the drain and what it takes to kill and tell is shorter than the pod's patience.
  const podGraceMs = shortDrainMs + 15_000;
  await threeRunners(shortDrainMs);
  const wakes = await allLive("pod", agents);
  const { leaving: patient, own } = await busyRunner(wakes);
  const began = performance.now();
  expect(patient.kill("SIGTERM")).toBe(true);
  await until("it has ended by itself", () => patient.pid === undefined, {
    timeoutMs: podGraceMs,
    describe: () => cluster().logs(),
  });
  const tookMs = Math.round(performance.now() - began);
  process.stderr.write(`a pod with ${own.length} long runs was gone after ${tookMs} ms\n`);
  await aliveAt(own, 2);

  // And as it should not be: the pod's patience ends first. Guard and all, which only the leases tell.
  await threeRunners(longDrainMs);
  await aliveAt(wakes, 2);
  const { leaving: hasty, own: rest } = await busyRunner(wakes);
  const before = new Map(
    await Promise.all(
      rest.map(async (wake) => [wake.id, (await runOf(cluster(), wake))!.attempt] as const),
    ),
  );
  const pid = hasty.pid!;
  const guard = guardOf(pid)!;
  expect(hasty.kill("SIGTERM")).toBe(true);
  await drains(pid);
  // Stopped first, or it would see the end of its runner and tell: in a pod they end together.
  signal(guard, "SIGSTOP");
  signal(pid, "SIGKILL");
  signal(guard, "SIGKILL");
  const killedAt = performance.now();
  await Promise.all(rest.map((wake) => aliveAt([wake], before.get(wake.id)! + 1)));
  expect(performance.now() - killedAt).toBeLessThan(runnerLeaseMs + 4_000);
  cluster().witness.release();
  const runs = await settled(wakes, agents);
  expect(runs.map(({ status }) => status)).toEqual(wakes.map(() => "succeeded"));
  const lost = new Set(rest.map(({ id }) => id));
  expect(runs.map(({ losses }) => losses)).toEqual(wakes.map(({ id }) => (lost.has(id) ? 1 : 0)));
});
