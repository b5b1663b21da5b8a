import { expect, test } from "vitest";
import type { AdapterContext } from "./adapter.js";
import { readPlan } from "./plan.js";

const plan = (adapterConfig: Record<string, unknown>) =>
  readPlan("tool", {
    execution: { adapterConfig },
    home: "/home/agent",
    timeoutSecDefault: 3_600,
  } as unknown as AdapterContext);

test("absent settings have defaults: home, a limit of our own, the reference's grace", () => {
  expect(plan({ timeoutSec: 0, cwd: "" })).toEqual({
    ok: true,
    plan: { command: "tool", args: [], cwd: "/home/agent", timeoutSec: 3_600, graceMs: 15_000 },
  });
});

test("settings are taken, a grace has at least a second", () => {
  expect(plan({ args: ["a"], cwd: "/tmp", timeoutSec: 2.5, graceSec: 0 })).toMatchObject({
    plan: { args: ["a"], cwd: "/tmp", timeoutSec: 2.5, graceMs: 1_000 },
  });
});

test.each([
  [{ args: "x" }, "adapterConfig.args"],
  [{ args: [1] }, "adapterConfig.args"],
  [{ cwd: 7 }, "adapterConfig.cwd"],
  [{ cwd: "a/b" }, "adapterConfig.cwd"],
  [{ timeoutSec: "soon" }, "adapterConfig.timeoutSec"],
  [{ timeoutSec: -1 }, "adapterConfig.timeoutSec"],
  [{ graceSec: Number.NaN }, "adapterConfig.graceSec"],
])("%j is an error that names %s", (adapterConfig, field) => {
  expect(plan(adapterConfig)).toMatchObject({ ok: false, message: expect.stringContaining(field) });
});
