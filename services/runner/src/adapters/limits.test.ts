import { expect, test } from "vitest";
import { readLimits } from "./limits.js";

const defaults = { timeoutSec: 3_600, idleTimeoutSec: 1_800 };
const read = (config: Record<string, unknown>) => readLimits(config, defaults);

test.each([[{}], [{ timeoutSec: 0, idleTimeoutSec: 0 }], [{ timeoutSec: null }]])(
  "%j: no limit is the runner's limit, never none [B29]",
  (config) => {
    expect(read(config)).toEqual({ ok: true, limits: { ...defaults, graceMs: 15_000 } });
  },
);

test("settings are taken, a grace has at least a second", () => {
  expect(read({ timeoutSec: 2.5, idleTimeoutSec: 7, graceSec: 0 })).toEqual({
    ok: true,
    limits: { timeoutSec: 2.5, idleTimeoutSec: 7, graceMs: 1_000 },
  });
});

test.each([
  [{ timeoutSec: "soon" }, "adapterConfig.timeoutSec"],
  [{ timeoutSec: -1 }, "adapterConfig.timeoutSec"],
  [{ idleTimeoutSec: [] }, "adapterConfig.idleTimeoutSec"],
  [{ graceSec: Number.NaN }, "adapterConfig.graceSec"],
])("%j is an error that names %s", (config, field) => {
  expect(read(config)).toMatchObject({ ok: false, message: expect.stringContaining(field) });
});
