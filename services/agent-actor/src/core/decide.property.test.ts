// Random histories of several agents on shared issues, with everything late, twice, lost or crashed. The promises that are checked at each
// step are in `testing/` (World, Store, Runners); here stands what must be true once everything has come to rest.
import fc from "fast-check";
import { expect, test } from "vitest";
import { agentOf, idOf } from "./testing/fixtures.js";
import { apply, drain, isAtRest, stepKinds } from "./testing/steps.js";
import type { Step } from "./testing/steps.js";
import { World } from "./testing/world.js";

const makeWorld = (): World =>
  new World(
    [
      agentOf({ name: "ada", partition: 0, retry: { max: 2, baseSec: 1 } }),
      // Some runs spend its limit, in the middle or with their end.
      agentOf({
        name: "bob",
        partition: 1,
        heartbeat: { maxConcurrentRuns: 2 },
        retry: { max: 1, on: ["failed"], baseSec: 0, pauseAfterFailures: 2 },
        budgetMonthlyCents: 1,
      }),
      agentOf({
        name: "cyd",
        partition: 2,
        heartbeat: { maxConcurrentRuns: 3, maxQueuedRuns: 2 },
      }),
    ],
    [idOf("issue 1"), idOf("issue 2")],
  );

/** What moves a history on comes more often than what disturbs it. */
const often = ["deliver", "deliver-all", "deliver-all", "perform", "perform-all"] as const;
const sometimes = ["wake", "wake", "take", "take", "progress", "cancel"] as const;
const step: fc.Arbitrary<Step> = fc.record({
  kind: fc.constantFrom(...stepKinds, ...often, ...often, ...often, ...sometimes, ...sometimes),
  a: fc.nat(1_000),
  b: fc.nat(1_000),
});

test("whatever happens, every wake ends once, in order, within its slots and its issue", () => {
  fc.assert(
    fc.property(fc.array(step, { minLength: 40, maxLength: 250, size: "max" }), (steps) => {
      const world = makeWorld();
      steps.forEach((one, at) => apply(world, one, at));
      drain(world);
      expect(isAtRest(world), describeWorld(world)).toBe(true);
      for (const run of world.store.runs.values()) {
        expect(["succeeded", "failed", "cancelled", "timed_out"]).toContain(run["status"]);
        expect(world.store.events.get(String(run["id"]))?.length ?? 0).toBe(run["lastEventSeq"]);
        const retries = [...world.store.runs.values()].filter(
          (other) => other["retryOfRunId"] === run["id"],
        );
        expect(retries.length, "a run is tried again once at most").toBeLessThanOrEqual(1);
        const wake = world.store.wakes.get(String(run["wakeupRequestId"]));
        if (retries.length === 0) expect(wake?.["runId"]).toBe(run["id"]);
      }
      for (const { holder, waiters } of world.locks.values.values())
        expect({ holder, waiters }, "a lock outlives its runs").toMatchObject({ waiters: [] });
    }),
    { numRuns: 200 }, // about two seconds; a change of the rules deserves some thousands
  );
}, 60_000);

const describeWorld = (world: World): string =>
  JSON.stringify(
    {
      live: world.boxes.map(({ state, waiting }) => ({
        runs: state.runs.map(({ id, phase, issueId }) => ({ id, phase, issueId })),
        waits: state.waits.map(({ runId, issueId }) => ({ runId, issueId })),
        waiting: waiting.length,
      })),
      wakes: [...world.store.wakes.values()].map(({ id, status }) => ({ id, status })),
      locks: [...world.locks.values],
      effects: world.effects.map(({ kind }) => kind),
    },
    null,
    1,
  );
