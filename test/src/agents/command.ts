// `npm run agents:test`: puts the pinned programs into a folder of their own, once, and runs the tests that need them. Without a way to
// get them it says that nothing was tested. Arguments go to vitest.
import { spawnSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { missingPrograms, pinned, programsFolder } from "./programs.js";

const root = fileURLToPath(new URL("../../../", import.meta.url));
const say = (line: string): void => void process.stdout.write(`agents: ${line}\n`);

function install(): void {
  say(`installing ${Object.keys(pinned).join(" and ")} into .cache/agents (about 800 MB, once)`);
  mkdirSync(programsFolder, { recursive: true });
  const manifest = { private: true, description: "Programs for tests", dependencies: pinned };
  writeFileSync(join(programsFolder, "package.json"), `${JSON.stringify(manifest, null, 2)}\n`);
  // Their install scripts only move files about: the tests call the programs where they lie.
  const args = ["install", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"];
  spawnSync("npm", args, { cwd: programsFolder, stdio: "inherit" });
}

if (missingPrograms() !== null) install();
const missing = missingPrograms();
if (missing) {
  say(`SKIPPED, nothing was tested: ${missing}`);
} else {
  const vitest = join(root, "node_modules/vitest/vitest.mjs");
  const args = [vitest, "run", "--project", "agents", ...process.argv.slice(2)];
  const env = { ...process.env, REVEILLE_AGENTS: "1" };
  const { status } = spawnSync(process.execPath, args, { cwd: root, env, stdio: "inherit" });
  process.exitCode = status ?? 1;
}
