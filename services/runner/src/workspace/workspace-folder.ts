/** Looks which folder of a run's order is there, and makes the agent's own where it is not. */
import { existsSync, mkdirSync } from "node:fs";
import { stat } from "node:fs/promises";
import type { AdapterWorkspace } from "../adapter.js";
import type { WorkspaceOrder } from "./workspace-order.js";

/** A folder on a network that hangs must not hold a slot for ever. */
const lookMs = 5_000;

/** The first folder that is there, else the agent's own. Never rejects for a folder that is not there. */
export async function findWorkspace(order: WorkspaceOrder): Promise<AdapterWorkspace> {
  for (const candidate of order.candidates) if (await isDirectory(candidate.cwd)) return candidate;
  return order.otherwise;
}

/** The agent's own folder below the runner's. @param agentId a UUID, checked when the execution was read. */
export function agentHome(workDir: string, agentId: string): string {
  const path = `${workDir}/${agentId}`;
  if (!existsSync(path)) mkdirSync(path, { recursive: true });
  return path;
}

async function isDirectory(path: string): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const tooLate = new Promise<boolean>((resolve) => {
    timer = setTimeout(() => resolve(false), lookMs);
  });
  const looked = stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  );
  const there = await Promise.race([looked, tooLate]);
  clearTimeout(timer);
  return there;
}
