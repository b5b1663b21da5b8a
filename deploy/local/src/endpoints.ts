// Owns what is published about a running system, `<data dir>/endpoints.json`, and its shape. Fixed: scripts rely on it.
import { rmSync } from "node:fs";
import { writeAtomically } from "./data-dir.js";

/** What a supervisor runs. */
export type ProcessName = ServiceName | "nats" | "postgres";
export type ServiceName = "gateway" | "agent-actor" | "runner";

export interface Endpoints {
  /** Base URL of the first gateway, without a slash at the end; empty when the stack has no gateway. */
  readonly http: string;
  /** For clients without credentials when NATS is embedded, else the given NATS_URL. */
  readonly nats: string;
  /** With its password. */
  readonly databaseUrl: string;
  /** Living processes of this stack; a server that is not ours has no entry. */
  readonly pids: Readonly<Record<ProcessName, readonly number[]>>;
}

/** Publishes the endpoints (mode 0600: the database's password is in there). */
export function writeEndpoints(file: string, endpoints: Endpoints): void {
  writeAtomically(file, `${JSON.stringify(endpoints, undefined, 2)}\n`);
}

export function removeEndpoints(file: string): void {
  rmSync(file, { force: true });
}
