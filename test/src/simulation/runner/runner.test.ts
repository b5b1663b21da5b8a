import { expect, test } from "vitest";
import { createRandom } from "../machine/random.js";
import type { Random } from "../machine/random.js";
import { drawAgentPlan } from "./agent-plan.js";
import { oneRunner, plan } from "./small-world.js";
import type { SimMachine, SmallWorld } from "./small-world.js";

test("a run goes from the queue to its report, and starts once", async () => {
  const { world } = await oneRunner();
  const { runId } = world.enqueue();
  await world.until("the report", () => world.reports("finished", runId).length > 0);
  await world.pass(100);
  const { report } = world.reports("finished", runId)[0]!;
  expect(report.result).toMatchObject({ exitCode: 0, signal: null, timedOut: false });
  expect(report).toMatchObject({
    stdoutExcerpt: "hello\n",
    log: { bytes: 6 },
    containment: "cgroup",
  });
  expect(world.starts).toHaveLength(1);
  expect(world.live.size).toBe(0);
  expect(world.queued).toBe(0);
  expect(world.wrongs).toEqual([]);
});

test("without an answer nothing starts; the go may come late", async () => {
  const { world } = await oneRunner();
  world.answer = () => null;
  const { runId } = world.enqueue();
  await world.until("a repeat", () => world.reports("started", runId).length >= 3);
  expect(world.starts).toEqual([]);
  world.answer = ({ kind }) => (kind === "started" ? "go" : "committed");
  await world.until("the report", () => world.reports("finished", runId).length > 0);
  expect(world.starts).toHaveLength(1);
  // The claim is the same each time.
  expect(new Set(world.reports("started", runId).map(({ report }) => report.claimId)).size).toBe(1);
});

test("a claim that is refused starts nothing, and its slot is free for the next", async () => {
  const { world } = await oneRunner(1, { slots: 1 });
  world.answer = () => "no";
  world.enqueue();
  await world.until("the claim", () => world.reports("started").length === 1);
  world.answer = ({ kind }) => (kind === "started" ? "go" : "committed");
  const next = world.enqueue();
  await world.until("the next", () => world.reports("finished", next.runId).length > 0);
  expect(world.starts.map(({ runId }) => runId)).toEqual([next.runId]);
  expect(world.reports("lost")).toEqual([]);
});

test("15 s without NATS kill no process, whenever they begin; what ended meanwhile is reported, what printed is whole", async () => {
  const output = Array.from({ length: 10 }, (_, at) => ({
    atMs: at * 1_000,
    stream: "stdout" as const,
    text: `line ${at}\n`,
  }));
  // The lease is renewed every 3 s: from just behind a renewal to just before one.
  for (const [seed, beganMs] of [100, 900, 1_700, 2_400, 2_700, 2_900, 3_050].entries()) {
    const { world } = await oneRunner(seed, {}, 30_000);
    const short = world.enqueue();
    const long = world.enqueue();
    world.planOf = (runId) => plan({ runMs: runId === short.runId ? 10_000 : 40_000, output });
    await world.until("both", () => world.live.size === 2);
    await world.pass(beganMs);
    world.nats.faults.kill();
    await world.pass(15_000);
    expect(world.live.size).toBe(1);
    world.nats.faults.start();
    await world.until("both reports", () => world.reports("finished").length === 2);
    expect(world.reports("lost")).toEqual([]);
    for (const { runId } of [short, long]) {
      const { log } = world.reports("finished", runId)[0]!.report;
      expect(log).toMatchObject({ bytes: 70 });
      expect(log.cut).toBeUndefined();
    }
    expect(world.wrongs).toEqual([]);
  }
});

test("15 s in which NATS stands still kill no process either", async () => {
  const { world } = await oneRunner(1, {}, 30_000);
  world.planOf = () => plan({ runMs: 40_000 });
  world.enqueue();
  await world.until("the start", () => world.live.size === 1);
  await world.pass(2_600);
  world.nats.faults.freeze();
  await world.pass(15_000);
  world.nats.faults.thaw();
  await world.until("the report", () => world.reports("finished").length === 1);
  expect(world.reports("lost")).toEqual([]);
});

test("what it leaves behind, and what does not heed SIGTERM, is dead before the report", async () => {
  const { world } = await oneRunner();
  world.planOf = () => plan({ backgroundMs: 60_000, heedsTerm: false });
  const { runId } = world.enqueue();
  await world.until("the report", () => world.reports("finished", runId).length > 0);
  const { atMs } = world.reports("finished", runId)[0]!;
  // A second of grace for what is left of a tree.
  expect(atMs).toBeGreaterThan(1_000);
  expect(world.live.size).toBe(0);
  expect(world.wrongs).toEqual([]);
});

test("a cancel is obeyed: SIGTERM, then SIGKILL after the grace", async () => {
  const { world } = await oneRunner();
  world.planOf = () => plan({ runMs: 600_000, heedsTerm: false });
  const execution = world.enqueue();
  await world.until("the start", () => world.live.size === 1);
  const claimId = world.starts[0]!.claimId!;
  world.control("cancel", execution, claimId);
  await world.until("the report", () => world.reports("finished", execution.runId).length > 0);
  expect(world.reports("finished")[0]!.report.result.signal).toBe("SIGKILL");
  expect(world.live.size).toBe(0);
});

test("kill -9 of the runner: its guard kills, reports and ends the lease", async () => {
  const { world, machine } = await oneRunner();
  world.planOf = () => plan({ runMs: 600_000 });
  const { runId } = world.enqueue();
  await world.until("the start", () => world.live.size === 1);
  const killedAt = world.loop.nowMs;
  machine.runner.kill();
  await world.until("the word of the guard", () => world.reports("lost", runId).length > 0);
  expect(world.reports("lost", runId)[0]).toMatchObject({ report: { reason: "runner_gone" } });
  expect(world.loop.nowMs - killedAt).toBeLessThan(1_000);
  await world.until("the end of the lease", () => world.leases.length === 0);
  expect(world.live.size).toBe(0);
  expect(world.wrongs).toEqual([]);
  await world.until("the end of the guard", () => machine.guard?.state === "dead");
});

test("kill -9 of a runner that waits for a go: the execution comes to the next one at once", async () => {
  const { world, machine } = await oneRunner();
  world.answer = () => null;
  const { runId } = world.enqueue();
  await world.until("the claim", () => world.reports("started", runId).length === 1);
  const other = world.machine("other");
  await world.startAndWait(other);
  machine.runner.kill();
  const killedAt = world.loop.nowMs;
  await world.until("another claim", () =>
    world
      .reports("started", runId)
      .some(({ report }) => report.incarnation !== world.heard[0]!.report.incarnation),
  );
  expect(world.loop.nowMs - killedAt).toBeLessThan(1_000);
});

test("frozen past its deadline: the guard kills and reports; thawed, it says nothing of it and goes on anew", async () => {
  const { world, machine } = await oneRunner();
  world.planOf = () => plan({ runMs: 600_000 });
  const { runId } = world.enqueue();
  await world.until("the start", () => world.live.size === 1);
  machine.runner.freeze();
  await world.until("the word of the guard", () => world.reports("lost", runId).length > 0);
  expect(world.reports("lost", runId)[0]!.report.reason).toBe("deadline");
  expect(world.live.size).toBe(0);
  await world.pass(5_000);
  machine.runner.thaw();
  world.planOf = () => plan({});
  world.enqueue(runId, 2);
  await world.until("the next attempt", () => world.reports("finished", runId).length > 0);
  expect(world.reports("finished", runId).map(({ report }) => report.attempt)).toEqual([2]);
  expect(world.starts.map(({ attempt }) => attempt)).toEqual([1, 2]);
  expect(new Set(world.starts.map(({ incarnation }) => incarnation)).size).toBe(2);
  expect(world.wrongs).toEqual([]);
});

test("the guard killed, or frozen: the runner kills, reports, and goes on under a new one", async () => {
  for (const fault of ["kill", "freeze"] as const) {
    const { world, machine } = await oneRunner();
    world.planOf = () => plan({ runMs: 600_000 });
    const { runId } = world.enqueue();
    await world.until("the start", () => world.live.size === 1);
    machine.guard![fault]();
    await world.until("the report", () => world.reports("lost", runId).length > 0);
    expect(world.reports("lost", runId)[0]!.report.reason).toBe("guard_gone");
    world.planOf = () => plan({});
    world.enqueue(runId, 2);
    await world.until("the next attempt", () => world.reports("finished", runId).length > 0);
    expect(world.wrongs).toEqual([]);
  }
});

test("runner and guard killed together: the tree lives on until the next runner sweeps", async () => {
  const { world, machine } = await oneRunner();
  world.planOf = () => plan({ runMs: 600_000 });
  world.enqueue();
  await world.until("the start", () => world.live.size === 1);
  machine.guard!.kill();
  machine.runner.kill();
  await world.pass(20_000);
  expect(world.live.size).toBe(1);
  expect(world.leases).toEqual([]);
  await world.startAndWait(machine);
  expect(world.live.size).toBe(0);
});

test("runner and guard killed, or frozen, together: a neighbour ends the tree before the lease does", async () => {
  for (const fault of ["kill", "freeze"] as const) {
    const { world, machine } = await oneRunner();
    await world.startAndWait(world.machine("neighbour", machine), { pool: "other" });
    // So that the neighbour has seen the lease.
    await world.pass(1_000);
    world.planOf = () => plan({ runMs: 600_000 });
    world.enqueue();
    await world.until("the start", () => world.live.size === 1);
    const holder = world.starts[0]!.incarnation;
    machine.guard![fault]();
    machine.runner[fault]();
    await world.until("the end of the tree", () => world.live.size === 0);
    expect(world.leases).toContain(holder);
  }
});

test("drained: what ends in time is finished, the rest is lost as drained", async () => {
  const { world, machine } = await oneRunner();
  world.planOf = () => plan({ runMs: world.starts.length === 0 ? 1_000 : 600_000 });
  const short = world.enqueue();
  await world.until("the first", () => world.live.size === 1);
  const long = world.enqueue();
  await world.until("the second", () => world.live.size === 2);
  let stopped = false;
  void machine.started!.stop(3_000).then(() => (stopped = true));
  await world.until("the end", () => stopped);
  expect(world.reports("finished", short.runId)).toHaveLength(1);
  expect(world.reports("lost", long.runId)[0]!.report.reason).toBe("drained");
  expect(world.leases).toEqual([]);
  expect(machine.guard?.state).toBe("dead");
  expect(world.wrongs).toEqual([]);
});

test("the machine loses its power: nothing is said, the lease tells", async () => {
  const { world, machine } = await oneRunner();
  world.planOf = () => plan({ runMs: 600_000 });
  world.enqueue();
  await world.until("the start", () => world.live.size === 1);
  machine.runner.kill();
  machine.guard!.kill();
  machine.os.powerOff();
  expect(world.live.size).toBe(0);
  await world.until("the lease", () => world.leases.length === 0);
  expect(world.reports("lost")).toEqual([]);
});

/** Runs, kills, freezes and outages by chance, then peace: what was claimed has an end, and nothing lives. */
async function chaos(seed: number): Promise<SmallWorld> {
  const random = createRandom(seed);
  const { world, machine } = await oneRunner(seed, { slots: 3 });
  world.planOf = () => drawAgentPlan(random);
  const refused = new Set<string>();
  world.answer = ({ kind, report }) =>
    kind !== "started" ? "committed" : refused.has(report.runId) ? "no" : "go";
  const runs: string[] = [];
  const enqueue = (): void => {
    const { runId } = world.enqueue();
    if (random.chance(0.2)) refused.add(runId);
    else runs.push(runId);
  };
  for (let faults = random.between(2, 6); faults > 0; faults -= 1) {
    for (let count = random.between(1, 3); count > 0; count -= 1) enqueue();
    await world.pass(random.below(1_000));
    await disturb(world, machine, random);
    await world.pass(random.below(2_000));
    if (machine.runner.state === "dead") world.start(machine, { slots: 3 });
  }
  const ended = (runId: string): boolean =>
    world.reports("finished", runId).length + world.reports("lost", runId).length > 0;
  await world.until(
    "the last report",
    () => {
      // As a supervisor does: also a runner that could not start is started again.
      if (machine.failed) world.start(machine, { slots: 3 });
      return runs.every(ended);
    },
    120_000,
  );
  await world.until("quiet", () => world.live.size === 0 && world.queued === 0, 60_000);
  return world;
}

async function disturb(world: SmallWorld, machine: SimMachine, random: Random): Promise<void> {
  const { faults } = world.nats;
  const victim = random.chance(0.6) ? machine.runner : machine.guard!;
  const what = random.pick(["outage", "cut", "kill", "kill", "kill", "freeze", "freeze", "freeze"]);
  if (what === "outage") {
    faults.kill();
    await world.pass(random.pick([100, 2_000, 6_000]));
    faults.start();
  } else if (what === "cut") faults.cut(machine.runner);
  else if (what === "kill") victim.kill();
  else {
    victim.freeze();
    await world.pass(random.pick([50, 1_000, 3_900, 5_000, 9_000]));
    victim.thaw();
  }
}

test("by chance: no start without a go, none twice, no end said of what lives, every run has one", async () => {
  for (let seed = 1; seed <= 60; seed += 1) {
    const world = await chaos(seed);
    expect({ seed, wrongs: world.wrongs }).toEqual({ seed, wrongs: [] });
  }
});

test("the same seed gives the same story", async () => {
  const stories = [await chaos(7), await chaos(7), await chaos(8)].map(({ lines }) => lines);
  expect(stories[0]).toEqual(stories[1]);
  expect(stories[0]).not.toEqual(stories[2]);
});
