// Two of everything from the start, which is also how every other row runs: one of each kind is killed, one after the other and all in
// the same instant. Nothing is lost, nothing starts twice, nothing overlaps that must not, and everything ends.
import { randomInt } from "node:crypto";
import type { ServiceName } from "@reveille/local/endpoints";
import { expect, test } from "vitest";
import { clusterOfFile, seeded } from "../harness/cluster.js";
import { inForm } from "../harness/fault-form.js";
import { openLoad } from "../harness/load.js";
import { ownedBy } from "../harness/ownership.js";
import { until } from "../harness/until.js";

/** One kill takes one attempt of a run at most, and that is repeated: only a second one could make it fail. */
const attemptsMax = 2;
const perFault = inForm(60, 250);
/** Each list is one fault: its services are killed together. */
const faults: readonly (readonly ServiceName[])[] = [
  ["agent-actor"],
  ["runner"],
  ["gateway"],
  ["agent-actor", "runner", "gateway"],
];

const clusterNow = clusterOfFile({
  env: { "agent-actor": { REVEILLE_HOST_LEASE_TTL_MS: inForm("1000", "3000") } },
});

test("[F30] kill -9 of one of each kind, alone and together, under load [B1] [B6] [B30] [Z1]", async () => {
  const seed = Number(process.env["REVEILLE_TEST_SEED"] ?? randomInt(1_000_000));
  const below = seeded(seed);
  process.stderr.write(`seed ${seed}\n`);
  const cluster = clusterNow();
  const { stack } = cluster.system;
  const load = await openLoad(cluster, { agents: inForm(24, 50), issues: 8, seed });
  for (const fault of faults) {
    await ownedBy(cluster, 2);
    // Nothing that a killed runner had is under way when the next one is killed: a run may lose one attempt.
    if (fault.includes("runner")) await cluster.atRest(load.wakes, 60_000);
    const before = load.starts();
    const published = load.more(perFault);
    await load.started(before + 5 + below(perFault / 2));
    for (const name of fault) {
      const living = stack.service(name).filter(({ pid }) => pid !== undefined);
      expect(living).toHaveLength(2);
      expect(living[below(2)]!.kill("SIGKILL")).toBe(true);
    }
    for (const name of fault) {
      const living = (): number =>
        stack.service(name).filter(({ pid }) => pid !== undefined).length;
      await until(`a ${name} is gone`, () => living() === 1, { describe: living });
    }
    await published;
    await Promise.all(fault.map((name) => stack.start(name)));
  }
  await load.settle();
  const outcomes = await load.outcomes();
  process.stderr.write(`seed ${seed}: ${JSON.stringify(outcomes)}\n`);
  expect(new Set(outcomes.map(({ status }) => status))).toEqual(new Set(["succeeded"]));
  expect(Math.max(...outcomes.map(({ attempt }) => attempt))).toBeLessThanOrEqual(attemptsMax);
});
