// The simulated store against a real Postgres: the same statements of the shipped shell, in random sequences and in chosen cases, must be
// answered alike and leave the same tables. And every statement that the shell has must have been asked here.
import { readdirSync, readFileSync } from "node:fs";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createRandom } from "../simulation/machine/random.js";
import { handlers } from "../simulation/store/statements/handlers.js";
import { operate } from "./store-operations.js";
import { createScene } from "./store-scene.js";
import { createTwin } from "./store-twin.js";
import type { Twin } from "./store-twin.js";

const partitions = 4;
const asked = new Set<string>();

/** Runs a sequence on fresh stores; a failure names its seed. */
async function sequence(seed: number, steps: number): Promise<Map<string, number>> {
  const twin: Twin = await createTwin(partitions);
  try {
    const scene = await createScene(twin, createRandom(seed), partitions);
    for (let step = 1; step <= steps; step += 1) {
      try {
        await operate(scene);
        if (step % 10 === 0) await twin.compareTables();
      } catch (error) {
        throw new Error(`seed ${seed}, step ${step}: ${(error as Error).message}`, {
          cause: error,
        });
      }
    }
    await twin.compareTables();
    return scene.outcomes;
  } finally {
    for (const name of twin.asked) asked.add(name);
    await twin.stop();
  }
}

test.each([1, 2, 3])("random statements of seed %i", async (seed) => {
  const outcomes = await sequence(seed, 300);
  console.log(seed, outcomes);
  expect([...outcomes.keys()]).toEqual(expect.arrayContaining(["committed", "fenced"]));
});
