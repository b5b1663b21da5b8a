import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";

const at = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

/** Tests read the packages' sources; the processes they start run the build. */
const alias = [
  { find: /^@reveille\/shared\/(.*)$/, replacement: at("shared/src/$1.ts") },
  { find: /^@reveille\/local\/(.*)$/, replacement: at("deploy/local/src/$1.ts") },
  { find: /^reveille\/(.*)$/, replacement: at("cli/src/$1.ts") },
  {
    find: /^@reveille\/(gateway|agent-actor|runner)\/(.*)$/,
    replacement: at("services/$1/src/$2.ts"),
  },
];

/** Tests of checkouts run git itself. Without it they are left out, and that is said. */
const gitIsThere = spawnSync("git", ["--version"], { stdio: "ignore" }).status === 0;
if (!gitIsThere) process.stderr.write("tests with repositories are skipped: no git here\n");
const needGit = [
  "test/src/runner/{checkouts,repositories,agent-environment}.test.ts",
  "test/src/images/build-script.test.ts",
];
const exclude = gitIsThere ? [] : needGit;

/**
 * Rows of the fault matrix that every test run has: those whose faults are the likeliest, in a third of their time. `npm run faults` runs all
 * of them (it sets the form), and so does `REVEILLE_FAULTS=short npm test`; the small soak goes with them.
 */
const allFaults = process.env["REVEILLE_FAULTS"] !== undefined;
const rows = allFaults ? "*" : "f{02,03,04,05,08,10,18,19,30}-*";

/** Tests with real servers and processes, after the fast ones. */
const system = (
  name: string,
  include: string[],
  options: { groupOrder: number; maxWorkers: number },
) => ({
  resolve: { alias },
  test: {
    name,
    include,
    exclude,
    globalSetup: ["test/src/harness/global-setup.ts"],
    testTimeout: 120_000,
    hookTimeout: 120_000,
    maxWorkers: options.maxWorkers,
    sequence: { groupOrder: options.groupOrder },
  },
});

export default defineConfig({
  test: {
    projects: [
      {
        resolve: { alias },
        test: {
          name: "unit",
          include: [
            "{shared,cli,bench}/src/**/*.test.ts",
            "services/*/src/**/*.test.ts",
            "services/gateway/web/src/**/*.test.ts",
            "deploy/local/src/**/*.test.ts",
            "test/src/{behaviour,monitoring,soak}/**/*.test.ts",
            "test/src/images/{build-script,layout,rules}.test.ts",
            "test/src/faults/{matrix,command-record}.test.ts",
            "test/src/k8s/points.test.ts",
          ],
          exclude,
          testTimeout: 20_000,
          sequence: { groupOrder: 0 },
        },
      },
      // Whole fleets in one process, in simulated time: no server, no real clock.
      {
        resolve: { alias },
        test: {
          name: "simulation",
          include: ["test/src/simulation/**/*.test.ts"],
          testTimeout: 120_000,
          sequence: { groupOrder: 0 },
        },
      },
      // Two at once: each file starts servers of its own, and most of the time waits for them.
      system(
        "system",
        [
          "test/src/*.test.ts",
          "test/src/{console,contract,observability,gateway,permissions,public,runner,scaling,verify}/**/*.test.ts",
          "test/src/k8s/started-services.test.ts",
          // Installs four times what an image holds: a minute, and the npm registry.
          ...(allFaults || process.env["REVEILLE_IMAGES"] === "1"
            ? ["test/src/images/images.test.ts"]
            : []),
          "test/src/cluster/{limits,retries-and-deletion,rows-at-every-instant}.test.ts",
        ],
        {
          groupOrder: 1,
          maxWorkers: 2,
        },
      ),
      // The programs of agents themselves, which are large and are got by `npm run agents:test`, the one that sets this.
      ...(process.env["REVEILLE_AGENTS"] === "1"
        ? [system("agents", ["test/src/agents/**/*.test.ts"], { groupOrder: 1, maxWorkers: 1 })]
        : []),
      // Whole systems under faults and load, and recordings in which time matters: alone, or they would measure each other.
      system(
        "cluster",
        [
          "test/src/cluster/{idle-cost,witness}.test.ts",
          "test/src/conformance/**/*.test.ts",
          `test/src/faults/${rows}.test.ts`,
        ],
        {
          groupOrder: 2,
          maxWorkers: 1,
        },
      ),
    ],
  },
});
