// Owns what a fault test asks about one run from outside: its row, the bytes of its log as they are stored, and agents whose program is
// the test's own. Judges nothing.
import { createHash } from "node:crypto";
import { readStoredLog } from "@reveille/shared/nats/log-stream";
import { createLogOrder, type LogChunk } from "@reveille/shared/protocol/log-order";
import { runIdOfWake } from "@reveille/shared/protocol/ids";
import { createSubjects } from "@reveille/shared/protocol/subjects";
import { randomUUID } from "node:crypto";
import type { Agent, Cluster } from "./cluster.js";
import { until } from "./until.js";
import type { Wake } from "./wake-client.js";

export interface RunRow {
  id: string;
  status: string;
  phase: string;
  attempt: number;
  losses: number;
  exit_code: number | null;
  signal: string | null;
  error: string | null;
  error_code: string | null;
  /** As Postgres gives a bigint. */
  log_bytes: string | null;
  log_sha256: string | null;
  log_cut: string | null;
  stdout_excerpt: string | null;
  stderr_excerpt: string | null;
  result_json: unknown;
  runner_incarnation: string | null;
}

interface RuntimeConfig {
  retry?: object;
  runner?: { pool: string };
  heartbeat?: { maxConcurrentRuns: number };
}

/** An agent that runs what `adapterConfig` says. */
export async function addAgent(
  cluster: Cluster,
  adapterConfig: object,
  runtimeConfig: RuntimeConfig = {},
): Promise<Agent> {
  const slots = runtimeConfig.heartbeat?.maxConcurrentRuns ?? 1;
  const { companyId } = cluster;
  const { status, body } = await cluster.system.call("POST", `/companies/${companyId}/agents`, {
    name: `Agent ${randomUUID().slice(0, 8)}`,
    adapterType: "process",
    adapterConfig,
    runtimeConfig: { ...runtimeConfig, heartbeat: { maxConcurrentRuns: slots } },
  });
  if (status !== 201) throw new Error(`no agent: ${JSON.stringify(body)}`);
  return { companyId, agentId: String(body["id"]), slots };
}

/** An agent that is a Node program given as text; `more` goes into its configuration. */
export const addProgram = (
  cluster: Cluster,
  program: string,
  more: { args?: string[]; graceSec?: number } = {},
  runtimeConfig: RuntimeConfig = {},
): Promise<Agent> => {
  const { args = [], ...settings } = more;
  const command = { command: process.execPath, args: ["-e", program, ...args] };
  return addAgent(cluster, { ...command, ...settings }, runtimeConfig);
};

/** A wake that joins no other. */
export const wakeOf = ({ companyId, agentId }: Agent, id: string): Wake => ({
  companyId,
  agentId,
  id,
  payload: { taskKey: id },
});

export const runIdOf = ({ companyId, agentId, id }: Wake): string =>
  runIdOfWake(companyId, agentId, id);

/** The row of a wake's run; undefined before there is one. */
export async function runOf(cluster: Cluster, wake: Wake): Promise<RunRow | undefined> {
  const [row] = await cluster.rows<RunRow>("select * from heartbeat_runs where id = $1", [
    runIdOf(wake),
  ]);
  return row;
}

/** The row of a run that is over. */
export const overRun = (cluster: Cluster, wake: Wake, timeoutMs = 30_000): Promise<RunRow> => {
  let last: RunRow | undefined;
  return until(
    `the run of ${wake.id} is over`,
    async () => {
      last = await runOf(cluster, wake);
      return last?.phase === "over" ? last : undefined;
    },
    { timeoutMs, describe: () => [last, cluster.logs()] },
  );
};

/** Resolves when a process of the run was seen to be running, as its row says. */
export const liveRun = (cluster: Cluster, wake: Wake): Promise<RunRow> => {
  let last: RunRow | undefined;
  return until(
    `the run of ${wake.id} has its go`,
    async () => {
      last = await runOf(cluster, wake);
      return last?.phase === "running" ? last : undefined;
    },
    { describe: () => [last, cluster.logs()] },
  );
};

export interface StoredLog {
  bytes: number;
  sha256: string;
  /** Chunks that are missing between those that are stored. */
  missing: number;
  /** The closing message of the last attempt, if it is there. */
  end: LogChunk["end"];
  /** Only with `keep`. */
  content: Buffer;
}

/** What LOGS holds of a run, in order, repeats left out; hashed on the way, because it may be large. */
export async function storedLog(
  cluster: Cluster,
  wake: Wake,
  { keep = false, stream }: { keep?: boolean; stream?: "stdout" | "stderr" } = {},
): Promise<StoredLog> {
  const source = {
    bus: cluster.bus,
    subjects: createSubjects("rv"),
    companyId: wake.companyId,
    runId: runIdOf(wake),
  };
  const order = createLogOrder();
  const hash = createHash("sha256");
  const kept: Uint8Array[] = [];
  const log = { bytes: 0, missing: 0, end: undefined as LogChunk["end"] };
  const take = (chunk: LogChunk): void => {
    log.missing += chunk.missing ?? 0;
    log.end = chunk.end;
    if (stream && chunk.stream !== stream) return;
    log.bytes += chunk.bytes.length;
    hash.update(chunk.bytes);
    if (keep) kept.push(chunk.bytes);
  };
  for await (const chunk of readStoredLog(source)) for (const one of order.accept(chunk)) take(one);
  for (const one of order.flush()) take(one);
  return { ...log, sha256: hash.digest("hex"), content: Buffer.concat(kept) };
}
