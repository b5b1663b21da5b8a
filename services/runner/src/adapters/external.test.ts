import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { z } from "zod";
import { defineAdapter } from "../adapter.js";
import type { Adapter } from "../adapter.js";
import { startTrial } from "../adapter-trial.js";
import { checked, loadAdapters } from "./external.js";
import { noopAdapter } from "./noop.js";
import { describeAdapter } from "./shape.js";

const scratch = mkdtempSync(join(tmpdir(), "reveille-external-"));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

function module(name: string, text: string): string {
  const path = join(scratch, `${name}.mjs`);
  writeFileSync(path, text);
  return path;
}
const like = (type: string, more = "") =>
  `export default { type: "${type}", label: "L", starts: "nothing", configSchema: null, execute: async () => ({}) ${more} };`;

test("what is sound is loaded, in order", async () => {
  const names = [module("one", like("one")), module("two", like("two"))];
  const loaded = await loadAdapters(names, [noopAdapter]);
  expect(loaded.map(({ type }) => type)).toEqual(["one", "two"]);
});

test.each([
  ["missing", "no-such-package-xyz", "cannot be loaded"],
  ["throwing", 'throw new Error("at once");', "at once"],
  ["empty", "export const x = 1;", "default export"],
  ["wrong", like("wrong", ", label: 7"), "`label`"],
  ["shadow", like("noop"), "the adapter type noop is taken by this runner"],
])("%s: the start fails with the package's name and the reason", async (name, text, why) => {
  const from = name === "missing" ? text : module(name, text);
  const load = loadAdapters([from], [noopAdapter]);
  await expect(load).rejects.toThrow(`REVEILLE_RUNNER_ADAPTERS: ${from}: `);
  await expect(load).rejects.toThrow(why);
});

test("two packages cannot have one type", async () => {
  const names = [module("first", like("same")), module("second", like("same"))];
  await expect(loadAdapters(names, [])).rejects.toThrow("is taken by");
});

const adapter = (change: Partial<Adapter>): Adapter =>
  checked(
    defineAdapter({
      type: "t",
      label: "T",
      starts: "nothing",
      configSchema: z.object({ n: z.number() }),
      execute: async () => ({}),
      ...change,
    }),
  );
async function run(change: Partial<Adapter>, config: Record<string, unknown> = { n: 1 }) {
  const one = adapter(change);
  const trial = startTrial(one, config);
  const result = await one.execute(trial.context);
  trial.end();
  return { result, warnings: trial.warnings };
}

test("a configuration that its zod schema refuses begins no run", async () => {
  const { result } = await run({ execute: () => Promise.reject(new Error("ran")) }, { n: "x" });
  expect(result).toMatchObject({
    threw: true,
    errorMessage: expect.stringContaining("adapterConfig.n"),
  });
});

test("what it throws, and what is no answer, is a failed run", async () => {
  const threw = await run({ execute: () => Promise.reject(new Error("oh")) });
  expect(threw.result.errorMessage).toBe("The adapter t failed: oh");
  const odd = await run({ execute: async () => ({ costUsd: "much" }) as never });
  expect(odd.result.errorMessage).toContain("answered what is no result: costUsd");
});

test("a huge result is left out, and said to be [B33]", async () => {
  const resultJson = { text: "x".repeat(100_000) };
  const { result, warnings } = await run({ execute: async () => ({ resultJson, summary: "s" }) });
  expect(result).toEqual({ resultJson: null, summary: "s" });
  expect(warnings[0]).toContain("resultJson is longer");
});

test("a description is JSON Schema with the limits of every adapter", () => {
  expect(describeAdapter(adapter({ models: [{ id: "m", label: "M" }] }))).toMatchObject({
    type: "t",
    label: "T",
    configSchema: { type: "object", properties: { n: { type: "number" }, timeoutSec: {} } },
    models: [{ id: "m", label: "M" }],
    configurationDoc: null,
  });
});
