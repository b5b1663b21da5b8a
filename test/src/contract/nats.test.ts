// The simulated NATS against the real one: the same scripts of operations on both, and what they observe must be the same: sequences,
// revisions, refusals, deliveries, endings. Without this, a simulation proves something about a server that does not exist.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { generations, restart, rolledBack, streamDeleted, wiped } from "./nats-fault-scripts.js";
import { heldBack, lostAnswers, readerOverCuts, workOverCuts } from "./nats-link-scripts.js";
import {
  core,
  duplicates,
  leases,
  limits,
  reading,
  seededBucket,
  seededStreams,
  work,
} from "./nats-scripts.js";
import type { Script } from "./nats-scripts.js";
import { onSimulated, startReal } from "./nats-side.js";
import type { RealSide } from "./nats-side.js";

let real: RealSide;
beforeAll(async () => {
  real = await startReal();
});
afterAll(() => real.stop());

let prefixes = 0;
/** Both servers, under the same names, which nothing else on the real one has. */
async function same(script: Script, seed = 1): Promise<void> {
  const prefix = `c${prefixes++}`;
  const simulated = await onSimulated(prefix, seed, script);
  expect(simulated.length).toBeGreaterThan(0);
  expect(simulated).toEqual(await real.run(prefix, script));
}

const seeds = [1, 2, 3];
// Side by side, because most of them wait: for ack_wait, for a lease to end, for the client's 5 s.
describe.concurrent("one server, names of their own", () => {
  test.each(seeds)("streams: what a seed stores, asks and purges (seed %i)", (seed) =>
    same(seededStreams(seed), seed),
  );
  test.each(seeds)("buckets: what a seed writes by compare-and-set (seed %i)", (seed) =>
    same(seededBucket(seed), seed),
  );
  test("a reader: from a sequence, filtered, one at a time, until it is stopped", () =>
    same(reading));
  test("duplicates within the window, and answers word for word", () => same(duplicates));
  test("full streams refuse or forget", () => same(limits));
  test("work: wanted, given back, delayed, held, terminated, delivered again", () => same(work));
  test("core subjects: wildcards, queues, requests, silence", () => same(core));
  test("leases expire", () => same(leases));
  test("generations of the mailbox's subjects", () => same(generations));
  test("a stream that is deleted", () => same(streamDeleted));
  test("answers that are lost: what was stored is stored, and who asked finds out", () =>
    same(lostAnswers));
  test("a connection that is held back, and one that is cut meanwhile", () => same(heldBack));
  test("a reader whose connection breaks goes on without a gap", () => same(readerOverCuts));
  test("work that was on its way to a broken connection comes again", () => same(workOverCuts));
});
describe("the server itself", () => {
  test("a server that is killed and starts again", () => same(restart));
  test("a server that lost its store", () => same(wiped));
  test("a server whose store is an older copy", () => same(rolledBack));
});
