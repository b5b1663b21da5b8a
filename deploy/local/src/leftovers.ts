// Owns the record of the processes that a supervisor started, and ending those that outlived it (kill -9 of the supervisor leaves
// them running: they lead groups of their own). Only processes on the record are touched, and only while they are the very same ones.
import { readFileSync } from "node:fs";
import { writeAtomically } from "./data-dir.js";
import type { ProcessName } from "./endpoints.js";
import { eventually } from "./polling.js";
import { identify, isAlive, signal, type ProcessIdentity } from "./process-identity.js";

interface Recorded extends ProcessIdentity {
  readonly name: ProcessName;
}

/** Services end by themselves when their supervisor is gone, in seconds; servers stop as fast as their disks are. */
const END_WAIT_MS = 15_000;
const KILL_WAIT_MS = 5_000;

/** Keeps the record in `file`, so that whoever takes the data directory over knows what may still run. */
export function recordChildren(file: string): (name: ProcessName, pid: number) => void {
  let recorded: Recorded[] = [];
  return (name, pid) => {
    const identity = identify(pid);
    if (!identity) return; // already gone
    recorded = [...recorded.filter(isAlive), { name, ...identity }];
    writeAtomically(file, JSON.stringify(recorded));
  };
}

/** Ends what an earlier supervisor left behind, services before the servers they use. Returns how many there were. */
export async function endLeftovers(file: string): Promise<number> {
  const alive = readRecord(file).filter(isAlive);
  const servers = alive.filter(({ name }) => name === "nats" || name === "postgres");
  const services = alive.filter((entry) => !servers.includes(entry));
  await Promise.all(services.map((entry) => endOne(entry, "SIGTERM")));
  // Postgres: SIGINT is the fast shutdown; SIGTERM would wait for every client to leave.
  await Promise.all(
    servers.map((entry) => endOne(entry, entry.name === "postgres" ? "SIGINT" : "SIGTERM")),
  );
  return alive.length;
}

async function endOne(entry: Recorded, polite: NodeJS.Signals): Promise<void> {
  const gone = (): true | undefined => (isAlive(entry) ? undefined : true);
  const what = `end of leftover ${entry.name} (pid ${entry.pid})`;
  if (isAlive(entry)) signal(entry.pid, polite);
  try {
    await eventually(what, END_WAIT_MS, gone);
  } catch {
    // It did not react (frozen, or stuck): insist. The second wait's failure is the caller's.
    if (isAlive(entry)) signal(entry.pid, "SIGKILL");
    await eventually(what, KILL_WAIT_MS, gone);
  }
}

function readRecord(file: string): Recorded[] {
  try {
    const value: unknown = JSON.parse(readFileSync(file, "utf8"));
    return Array.isArray(value) ? (value as Recorded[]) : [];
  } catch {
    return []; // first start in this directory
  }
}
