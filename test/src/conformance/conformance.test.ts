// Plays every recorded scenario against one whole system, each in a company of its own, several at once. What each must show is its
// target: equal to a recording, or better in a way that is asserted.
import { readdirSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startWholeSystem } from "../harness/whole-system.js";
import type { WholeSystem } from "../harness/whole-system.js";
import { createClient } from "./client.js";
import { replay, targetIds, targetOf } from "./replay.js";
import type { Server } from "./replay.js";
import { openRows } from "./rows.js";
import { scenarios } from "./scenarios/all.js";

let system: WholeSystem;
let server: Server;

beforeAll(async () => {
  // Thirty processes at once: what a scenario waits for is never a slot that another one has.
  system = await startWholeSystem({ env: { runner: { REVEILLE_RUNNER_SLOTS: "30" } } });
  const rows = openRows(system.stack.endpoints.databaseUrl);
  server = { client: createClient(system.http), rows, serverCwd: process.cwd() };
});

afterAll(async () => {
  server?.client.close();
  await server?.rows.close();
  await system?.stop();
});

describe.concurrent("recorded scenarios", () => {
  for (const scenario of scenarios) test(scenario.id, () => replay(scenario, server));
});

test("every recording is played, and every target that is better has an assertion", () => {
  const folder = (name: string): string[] =>
    readdirSync(new URL(`../../conformance/${name}/`, import.meta.url)).map((file) =>
      file.replace(/\.json$/, ""),
    );
  const ids = scenarios.map(({ id }) => id);
  expect(new Set(ids)).toEqual(new Set([...folder("golden-seed"), ...folder("golden-0.2.7")]));
  expect(targetIds.filter((id) => !ids.includes(id))).toEqual([]);
  const without = scenarios.filter(
    (one) => ["better", "free"].includes(targetOf(one.id).target) && !one.want,
  );
  expect(without.map(({ id }) => id)).toEqual([]);
});
