// Owns the replay of one scenario against a running server and its judgement by the scenario's target.
import { existsSync, readFileSync, rmSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { setTimeout as pause } from "node:timers/promises";
import type { Client, Row } from "./client.js";
import { difference, normalFrames } from "./comparison.js";
import type { Recording } from "./comparison.js";
import type { RowReader, Rows } from "./rows.js";
import type { Scenario } from "./scenario.js";
import { Scene } from "./scene.js";
import { isQuiet } from "./waits.js";

/** Sources and build are equally far from the recordings. */
const recordings = new URL("../../conformance/", import.meta.url);

export interface Target {
  /** A folder of recordings to be equal to; "better" and "free": the scenario's own assertion. */
  target: "seed" | "0.2.7" | "better" | "free";
  /** In words, what must be seen. */
  want?: string;
}

const targets = JSON.parse(readFileSync(new URL("targets.json", recordings), "utf8")) as Readonly<
  Record<string, Target>
>;

/** What is not listed must equal the recording of the seed. */
export const targetOf = (id: string): Target => targets[id] ?? { target: "seed" };

/** Names of the scenarios that have a target of their own. */
export const targetIds = Object.keys(targets).filter((id) => id !== "_");

/** Columns that are as new as the row, or that the recordings leave out. */
const leftOut: Partial<Record<keyof Rows, readonly string[]>> = {
  heartbeat_runs: ["company_id", "created_at", "updated_at"],
  agent_wakeup_requests: ["company_id", "created_at", "updated_at", "requested_at"],
  agent_runtime_state: ["company_id", "created_at", "updated_at"],
};

export interface Server {
  client: Client;
  rows: RowReader;
  /** Where it runs, when that shows in its rows. */
  serverCwd?: string | undefined;
}

/**
 * Plays one scenario in a company of its own; many may be played beside each other.
 * @throws Error when a step fails, when the server does not come to rest, and when what was seen is not what the target says.
 */
export async function replay(
  scenario: Scenario,
  { client, rows, serverCwd }: Server,
): Promise<void> {
  const scene = new Scene(scenario.id, client, serverCwd);
  try {
    await scene.company();
    const events = scenario.ws ? await scene.follow() : null;
    await scenario.run(scene);
    await isQuiet(scene);
    const left = await rows.of(scene.companyId);
    // Frames follow the commit that a reader of rows sees at once.
    if (events) await pause(100);
    events?.close();
    await judge(scenario, scene, left);
  } finally {
    rmSync(scene.folder, { recursive: true, force: true });
  }
}

async function judge(scenario: Scenario, scene: Scene, rows: Rows): Promise<void> {
  const { target, want } = targetOf(scenario.id);
  const isOwn = target === "better" || target === "free";
  if (isOwn && !scenario.want) throw new Error(`${scenario.id} asserts nothing of: ${want}`);
  await scenario.want?.(scene, rows);
  if (isOwn && !scenario.apartFrom) return;
  const recorded = recordingOf(scenario.id, target === "0.2.7" ? "golden-0.2.7" : "golden-seed");
  const found = difference(
    within(scenario, recorded),
    within(scenario, recordOf(scene, scenario, rows)),
  );
  if (found) throw new Error(`${scenario.id} differs from its recording at ${found}`);
}

const recordingOf = (id: string, folder: string): Recording => {
  const file = new URL(`${folder}/${id}.json`, recordings);
  if (!existsSync(file)) throw new Error(`no recording ${fileURLToPath(file)}`);
  return JSON.parse(readFileSync(file, "utf8")) as Recording;
};

/** Without the steps that are better than recorded, and without the values that are free. */
function within(scenario: Scenario, recording: Recording): Recording {
  const steps = recording.steps.filter((step) => !scenario.apartFrom?.(step as Row));
  const free = new Set(scenario.free);
  const hide = (field: string, value: unknown): unknown => (free.has(field) ? "<free>" : value);
  return JSON.parse(JSON.stringify({ ...recording, steps }, hide)) as Recording;
}

function recordOf(scene: Scene, scenario: Scenario, rows: Rows): Recording {
  for (const { id } of rows.heartbeat_runs) scene.names.give("run", id);
  for (const { id } of rows.agent_wakeup_requests) scene.names.give("wake", id);
  const kept = Object.entries(rows).map(([table, list]) => {
    const without = new Set(leftOut[table as keyof Rows]);
    const trim = (row: Row) =>
      Object.fromEntries(Object.entries(row).filter(([column]) => !without.has(column)));
    return [table, list.map(trim)];
  });
  const normalise = (value: unknown): unknown => scene.names.normalise(value);
  return {
    steps: scene.steps,
    finalState: normalise(Object.fromEntries(kept)),
    ...(scenario.ws ? { wsFrames: normalFrames(scene.frames, normalise) } : {}),
  };
}
