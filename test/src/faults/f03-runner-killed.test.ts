// F3: a runner dies with live trees, or its guard does, or both at once. Its attempts are repeated or fail soon, and no second process
// of an issue or an agent lives while the first does: the kernel locks of the witnesses would meet.
// One runner and its guard alone, in both kinds of containment: test/src/runner/guard.test.ts.
import { randomInt } from "node:crypto";
import { signal } from "@reveille/local/process-identity";
import { expect, test, vi } from "vitest";
import { clusterOfFile, seeded } from "../harness/cluster.js";
import { inForm } from "../harness/fault-form.js";
import { openLastingRuns, type LastingRuns } from "../harness/lasting-runs.js";
import { openLoad } from "../harness/load.js";
import {
  guardOf,
  runnerLeaseMs,
  runnerTiming,
  shortRunnerLeases,
} from "../harness/runner-process.js";
import { until } from "../harness/until.js";

/** The bars: by the guard; without it by the lease. */
const byGuardMs = 3_000;
const byLeaseMs = runnerLeaseMs + 2_000;
const rounds = inForm(1, 4);
const stormWakes = inForm(80, 300);

// The full form is longer than the tests of this project are otherwise.
vi.setConfig({ testTimeout: inForm(120_000, 600_000) });
const cluster = clusterOfFile({ env: shortRunnerLeases });

/** Causes the harm `rounds` times, each under a load of its own; a runner that has died of it gets a successor. */
async function harmed(
  name: string,
  barMs: number,
  harm: (runnerPid: number, runs: LastingRuns) => Promise<void> | void,
): Promise<void> {
  for (let round = 0; round < rounds; round += 1) {
    const runs = await openLastingRuns(cluster(), `${name}-${round}`);
    const { tookMs, hit } = await runs.harm(harm);
    process.stderr.write(`${name}: ${hit.length} runs settled after ${Math.round(tookMs)} ms\n`);
    expect(tookMs).toBeLessThan(barMs);
    const { stack } = cluster().system;
    const living = stack.service("runner").filter(({ pid }) => pid !== undefined);
    if (living.length < 2) await stack.start("runner", runnerTiming);
    await runs.settle();
  }
}

test("[F3] kill -9 of a runner with live trees: repeated or failed within 3 s, by its guard", async () => {
  await harmed("runner", byGuardMs, (pid) => void signal(pid, "SIGKILL"));
});

test("[F3] the guard killed: its runner kills, says so and goes on under another within 3 s", async () => {
  await harmed("guard", byGuardMs, async (pid) => {
    const guard = guardOf(pid)!;
    signal(guard, "SIGKILL");
    await until("it has a new guard", () => ![undefined, guard].includes(guardOf(pid)));
  });
});

test("[F3] runner and guard killed together: within the lease + 2 s, and not while what they left lives", async () => {
  await harmed("both", byLeaseMs, (pid) => {
    const guard = guardOf(pid)!;
    // Stopped first, or it would see the end of its runner.
    signal(guard, "SIGSTOP");
    signal(pid, "SIGKILL");
    signal(guard, "SIGKILL");
  });
});

test("[F3] kill -9 of a runner at any moment of a storm of wakes: nothing is lost, nothing runs twice at once [B1] [B30] [Z1]", async () => {
  const seed = Number(process.env["REVEILLE_TEST_SEED"] ?? randomInt(1_000_000));
  const below = seeded(seed);
  const { stack } = cluster().system;
  for (let round = 0; round < inForm(1, 4); round += 1) {
    const load = await openLoad(cluster(), { agents: 24, issues: 5, name: `storm-${round}`, seed });
    const killAfter = 10 + below(stormWakes / 2);
    process.stderr.write(`seed ${seed}: kill after ${killAfter} starts\n`);
    const published = load.more(stormWakes);
    await load.started(killAfter);
    const [victim] = stack.service("runner").filter(({ pid }) => pid !== undefined);
    expect(victim!.kill("SIGKILL")).toBe(true);
    await published;
    await load.settle();
    // One fault takes one attempt at most, and that is repeated: every run succeeds.
    for (const { status, attempt } of await load.outcomes()) {
      expect(status).toBe("succeeded");
      expect(attempt).toBeLessThanOrEqual(2);
    }
    await stack.start("runner", runnerTiming);
  }
});
