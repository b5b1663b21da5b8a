// The list of pools: what it may be, and what an agent's choice is read as.
import { expect, test } from "vitest";
import { ConfigError, readConfig } from "../runtime/config.js";
import { chosenPool, poolsShape, runnerChoiceSchema } from "./runner-pools.js";
import { createSubjects } from "./subjects.js";
import { poolConsumerConfig } from "./topology.js";

const pools = (value?: string) =>
  readConfig(poolsShape, value === undefined ? {} : { REVEILLE_RUNNER_POOLS: value })
    .REVEILLE_RUNNER_POOLS;

test("names by commas, each once, and default always among them", () => {
  expect(pools()).toEqual(["default"]);
  expect(pools("gpu, big-memory,gpu")).toEqual(["default", "gpu", "big-memory"]);
  expect(pools("gpu,default")).toEqual(["default", "gpu"]);
});

test.each(["GPU", "gpu,,cpu", "gpu,a.b", "-x", "x".repeat(33)])(
  "%j ends the start with the variable's name",
  (value) => {
    expect(() => pools(value)).toThrow(ConfigError);
    expect(() => pools(value)).toThrow(/REVEILLE_RUNNER_POOLS.*names of pools by commas/s);
  },
);

test("a list beyond any deployment is refused", () => {
  const names = Array.from({ length: 101 }, (_, n) => `p${n}`).join();
  expect(() => pools(names)).toThrow(/REVEILLE_RUNNER_POOLS/);
});

test("an agent's choice is read leniently, and checked strictly where it is made", () => {
  expect(chosenPool({ runner: { pool: "gpu" } })).toBe("gpu");
  for (const nothing of [null, {}, { runner: null }, { runner: "gpu" }, { runner: { pool: 5 } }])
    expect(chosenPool(nothing)).toBeUndefined();
  expect(runnerChoiceSchema.safeParse({ pool: "gpu" }).success).toBe(true);
  expect(runnerChoiceSchema.safeParse({ pol: "gpu" }).success).toBe(false);
});

test("consumers are named after their pools: scalers know them by these names", () => {
  const subjects = createSubjects("rv");
  expect(poolConsumerConfig(subjects, "default").durable_name).toBe("exec_default");
  expect(poolConsumerConfig(subjects, "gpu")).toMatchObject({
    durable_name: "exec_gpu",
    filter_subject: "rv.exec.pool.gpu.>",
  });
});
