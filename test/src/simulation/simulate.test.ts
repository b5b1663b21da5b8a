// The simulation as it runs in every test run: some hundreds of seeds, that a seed is the same whenever it runs, that every module of the
// shell is in it, and that it finds the bugs that are planted for it.
import { execFile } from "node:child_process";
import { readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { checkMutant, mutants } from "./mutants/mutants.js";
import type { Report } from "./seeds.js";

const root = new URL("../../../", import.meta.url);
const command = fileURLToPath(new URL("test/dist/simulation/command.js", root));

/** The build, as a process of its own: the loader changes what it imports, and nothing else runs beside it. */
async function simulate(...args: string[]): Promise<Report> {
  const run = promisify(execFile);
  const options = { maxBuffer: 64 * 1024 * 1024 };
  const { stdout } = await run(process.execPath, [command, "--json", ...args], options).catch(
    // Findings make it fail; what it says is wanted all the same.
    (error: Error & { stdout?: string }) => {
      if (error.stdout?.startsWith("{")) return { stdout: error.stdout };
      throw error;
    },
  );
  return JSON.parse(stdout) as Report;
}
/** A seed is 30 to 60 ms of processor; this is for a machine on which much else runs. */
const limitMs = 300_000;
const textOf = ({ findings }: Report): string[] =>
  findings.map(
    ({ seed, invariant, what }) => `npm run simulate -- --seed ${seed}: ${invariant}: ${what}`,
  );

test(
  "150 seeds from 1 on: a fleet under faults keeps its promises",
  async () => {
    const report = await simulate("--seeds", "150", "--lines", "0");
    expect(textOf(report)).toEqual([]);
    expect(report.seeds).toBe(150);
    // One that runs nothing would be quiet too.
    expect(report.processStarts).toBeGreaterThan(800);
  },
  limitMs,
);

test(
  "two runs of a seed are the same, event for event",
  async () => {
    const hash = async (seed: number): Promise<string> =>
      (await simulate("--seed", `${seed}`)).hash;
    for (const seed of [7, 1_234]) expect(await hash(seed)).toBe(await hash(seed));
  },
  limitMs,
);

/** Cannot be simulated, and why. */
const notSimulated: Readonly<Record<string, string>> = {
  "connections.ts": "opens the real connections",
  "health.ts": "listens on a real socket",
};

test(
  "every module of the shell has a simulated run",
  async () => {
    const { coverage } = await simulate(
      "--seeds",
      "60",
      "--from",
      "350",
      "--coverage",
      "--lines",
      "0",
    );
    const reached = new Map(coverage?.map((module) => [module.file, module]));
    const service = "services/agent-actor";
    const modules = readdirSync(new URL(`${service}/src/shell`, root)).filter(
      (name) => name.endsWith(".ts") && !name.endsWith(".test.ts"),
    );
    const missed = modules.filter((name) => {
      const module = reached.get(`${service}/dist/shell/${name.replace(/ts$/, "js")}`);
      return !module || (module.functions > 0 && module.called === 0);
    });
    expect(missed.filter((name) => !(name in notSimulated))).toEqual([]);
    // What a runner does with an execution, from the queue to the report.
    const runner = [
      "runner",
      "incarnation",
      "attempt",
      "reports",
      "lease",
      "execute",
      "guard/guard",
    ];
    for (const name of runner)
      expect(reached.get(`services/runner/dist/${name}.js`)?.called, name).toBeGreaterThan(0);
  },
  limitMs,
);

test("every planted bug can be planted", () => {
  for (const mutant of mutants) checkMutant(mutant, root.href);
});

/**
 * Those that most seeds meet, from the first seed on. How soon the others are found changes with every event that a change of the
 * product adds or takes away; `npm run simulate -- --mutants --seeds 2000` looks for all of them.
 */
const soonFound = new Set([
  "effects-before-commit",
  "skip-reconcile",
  "forget-waiter",
  "grant-lock-twice",
  "start-without-go",
  "cancel-frees-at-once",
]);

test.each([...soonFound])(
  "the planted bug %s is found",
  async (name) => {
    expect(mutants.map((mutant) => mutant.name)).toContain(name);
    const report = await simulate("--mutant", name, "--from", "1", "--seeds", "300");
    expect(report.findings.length, `${name}: not found`).toBe(1);
  },
  limitMs,
);
