// Owns `npm run demo`: the main job without a person. A system of its own in a temporary folder, scenes that are played on it, a list
// of what was seen, and an exit status that is 0 only if everything was right.
import { chmodSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createChecklist, type Checklist } from "./demo/checklist.js";
import { connectClient } from "./demo/public-client.js";
import { cancelled, handOver, runnerKilled, sameness, wakeAndFollow } from "./demo/scenes.js";
import type { Stage } from "./demo/stage.js";
import { livesStill, openWitnesses, overlaps } from "./demo/witness.js";
import { postRow, textOf } from "./http-client.js";
import { showProgress } from "./progress.js";
import { startStack, type Stack } from "./up.js";

/** The scenes take about 15 s on two cores, and one slow recovery more; whoever waits longer than this waits for nothing. */
const SCENES_TIMEOUT_MS = 75_000;

const say = (line: string): void => void process.stdout.write(`${line}\n`);

process.exitCode = await demo();
// A hung connection of a failed scene must not keep a finished demo alive.
process.exit();

async function demo(): Promise<number> {
  const began = performance.now();
  const list = createChecklist();
  const dataDir = mkdtempSync(join(tmpdir(), "reveille-demo-"));
  chmodSync(dataDir, 0o711); // an embedded Postgres that runs as nobody passes through
  let stack: Stack | undefined;
  try {
    say("Starting a system of its own ...");
    stack = await startStack({
      dataDir,
      natsUrl: process.env["NATS_URL"],
      databaseUrl: process.env["DATABASE_URL"],
      logLevel: "info",
      say: (line) => say(`  ${line}`),
    });
    stopOnSignal(stack);
    say(`Up after ${seconds(began)} s: ${stack.endpoints.http}, ${stack.endpoints.nats}`);
    await withinTime(play(stack, dataDir, list));
  } catch (error) {
    list.check("the demo plays to its end", false, (error as Error).message);
  }
  await stack?.stop().catch((error: unknown) => {
    list.check("the system stops cleanly", false, (error as Error).message);
  });
  say(`\nWhat was seen:\n${list.report().join("\n")}\n`);
  if (list.failed === 0) {
    rmSync(dataDir, { recursive: true, force: true });
    say(`Everything was right: ${list.total} checks, ${seconds(began)} s.`);
    return 0;
  }
  say(
    `${list.failed} of ${list.total} checks failed. Logs of the services: ${join(dataDir, "logs")}`,
  );
  return 1;
}

async function play(stack: Stack, dataDir: string, list: Checklist): Promise<void> {
  const { http, nats } = stack.endpoints;
  const company = await postRow(http, "/companies", { name: "Demo" });
  const companyId = textOf(company, "id");
  const witnessFolder = join(dataDir, "witness");
  mkdirSync(witnessFolder);
  const client = await connectClient(nats, companyId);
  const stopProgress = await showProgress(stack.endpoints, (line) => say(`    ${line}`));
  const witnesses = openWitnesses(witnessFolder);
  const narrate = (line: string): void => say(`\n  ${line}`);
  const stage: Stage = { stack, http, companyId, client, witnesses, list, say: narrate };
  try {
    for (const scene of [wakeAndFollow, sameness, handOver, cancelled, runnerKilled])
      await scene(stage);
    const notes = witnesses.notes();
    list.check(
      "no two processes ever overlapped on an issue",
      overlaps(notes, Date.now()).length === 0,
    );
    list.check(
      "no process is left behind",
      notes.every(({ pid }) => !livesStill(pid)),
      notes,
    );
  } finally {
    await stopProgress();
    await client.close();
  }
}

async function withinTime(work: Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(
      () => reject(new Error(`not within ${SCENES_TIMEOUT_MS / 1000} s`)),
      SCENES_TIMEOUT_MS,
    );
  });
  try {
    await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}

function stopOnSignal(stack: Stack): void {
  for (const name of ["SIGINT", "SIGTERM"] as const)
    process.once(name, () => {
      say("\nStopping.");
      stack.abandon();
      process.exit(130);
    });
}

function seconds(began: number): string {
  return ((performance.now() - began) / 1000).toFixed(1);
}
