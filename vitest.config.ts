import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";

const at = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

/** Tests read the packages' sources; the processes they start run the build. */
const alias = [
  { find: /^@reveille\/shared\/(.*)$/, replacement: at("shared/src/$1.ts") },
  { find: /^@reveille\/local\/(.*)$/, replacement: at("deploy/local/src/$1.ts") },
  { find: /^@reveille\/(gateway|agent-actor|runner)\/(.*)$/, replacement: at("services/$1/src/$2.ts") },
];

export default defineConfig({
  resolve: { alias },
  test: {
    projects: [
      {
        resolve: { alias },
        test: {
          name: "unit",
          include: ["{shared,cli}/src/**/*.test.ts", "services/*/src/**/*.test.ts", "deploy/local/src/**/*.test.ts", "bench/src/**/*.test.ts"],
          testTimeout: 10_000,
        },
      },
      {
        resolve: { alias },
        test: {
          name: "system",
          include: ["test/src/**/*.test.ts"],
          globalSetup: ["test/src/harness/global-setup.ts"],
          testTimeout: 120_000,
          hookTimeout: 120_000,
          // Each file starts real servers and processes; on two cores more than two at once would measure each other.
          maxWorkers: 2,
          fileParallelism: true,
        },
      },
    ],
  },
});
