// The programs of docs/nats.md as they stand there: taken from the page, run against a system, judged by what they print.
import { execFile, execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createAgent, startWholeSystem, type WholeSystem } from "../harness/whole-system.js";

const page = readFileSync(new URL("../../../docs/nats.md", import.meta.url), "utf8");
const run = promisify(execFile);

/** Below the repository, so that imports find what is installed; git does not look there. */
const cache = fileURLToPath(new URL("../../../.cache/", import.meta.url));
mkdirSync(cache, { recursive: true });
const folder = mkdtempSync(join(cache, "programs-"));
let system: WholeSystem;
let companyId: string;
let agentId: string;

beforeAll(async () => {
  system = await startWholeSystem();
  ({ companyId, agentId } = await createAgent(
    system,
    `console.log("as documented"); setTimeout(() => console.error("twice"), 200)`,
  ));
});
afterAll(async () => {
  rmSync(folder, { recursive: true, force: true });
  await system?.stop();
});

/** The code block of the page whose first line names the file. */
function program(name: string): string {
  const block = [...page.matchAll(/```\w+\n([\s\S]*?)```/g)].find(([, code]) =>
    code?.slice(0, 60).includes(`${name}:`),
  );
  if (!block?.[1]) throw new Error(`docs/nats.md has no program ${name}`);
  const file = join(folder, name);
  writeFileSync(file, block[1]);
  return file;
}

async function outputOf(
  command: string,
  name: string,
): Promise<{ stdout: string; stderr: string }> {
  return run(command, [program(name), companyId, agentId], {
    timeout: 30_000,
    env: { ...process.env, NATS_URL: system.nats },
  });
}

/** With nats-py, if there is such a Python: `REVEILLE_TEST_PYTHON`, else `python3`. */
const python = process.env["REVEILLE_TEST_PYTHON"] || "python3";
function hasNatsPy(): boolean {
  try {
    execFileSync(python, ["-c", "import nats"], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}

async function tryProgram(command: string, name: string): Promise<void> {
  const { stdout, stderr } = await outputOf(command, name);
  expect(stderr).toContain("queued");
  // Once live, once from the store.
  expect(stdout).toBe("as documented\ntwice\n".repeat(2));
}

test("the program for @nats-io wakes, follows and replays", () =>
  tryProgram(process.execPath, "wake.mjs"));
test("the program for nats 2.x wakes, follows and replays", () =>
  tryProgram(process.execPath, "wake-old.mjs"));
// Only where there is a Python with nats-py: it is nothing that a clone could bring with it.
test.skipIf(!hasNatsPy())("the program for nats-py wakes, follows and replays", () =>
  tryProgram(python, "wake.py"),
);
