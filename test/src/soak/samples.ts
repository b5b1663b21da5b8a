// Owns what a soak measures of the system while it runs: memory and descriptors of each life of a process, what the servers hold, and what
// lies about on the machine. Judges nothing. What cannot be asked because a fault has it is left out of a sample.
import { readdirSync } from "node:fs";
import { topologyNames } from "@reveille/shared/protocol/topology";
import { residentBytes } from "../harness/process-usage.js";
import type { Ground } from "./ground.js";
import { liveBytes } from "./heap-folder.js";

export interface ProcessSample {
  /** `runner-0`, `nats`, `postgres`: the place, whatever process stands there. */
  place: string;
  pid: number;
  rssMb: number;
  /** Live after its last collection; absent: of a server, or not yet known. */
  heapMb?: number;
  descriptors: number;
}
export interface Sample {
  /** Ms since 1970. */
  at: number;
  processes: ProcessSample[];
  /** By name: streams, consumers, keys, connections, groups, folders. */
  totals: Record<string, number>;
}
export interface Sampler {
  readonly samples: readonly Sample[];
  stop(): Promise<void>;
}

const sampleEveryMs = 5_000;
/** A server that a fault has does not answer: the sample goes without it. */
const answerMs = 1_500;

const megabyte = 1024 * 1024;

/** `tell`: each sample as it is taken. */
export function startSampler(ground: Ground, tell: (sample: Sample) => void): Sampler {
  const samples: Sample[] = [];
  let taking: Promise<void> | undefined;
  const take = async (): Promise<void> => {
    const sample = await sampleOf(ground);
    samples.push(sample);
    tell(sample);
  };
  const timer = setInterval(() => {
    // A slow one replaces the next.
    taking ??= take().finally(() => (taking = undefined));
  }, sampleEveryMs);
  return {
    samples,
    stop: async () => {
      clearInterval(timer);
      await taking;
    },
  };
}

async function sampleOf(ground: Ground): Promise<Sample> {
  const { places, nats, postgres } = ground;
  const pids = [
    ...places.map(({ name, index, process }) => ({ place: `${name}-${index}`, pid: process.pid })),
    { place: "nats", pid: nats.pid },
    { place: "postgres", pid: postgres.pid },
  ];
  const found = await Promise.all([totalsOfNats(ground), totalsOfPostgres(ground)]);
  return {
    at: Date.now(),
    processes: pids.flatMap(({ place, pid }) =>
      pid ? processSample(place, pid, ground.heaps) : [],
    ),
    totals: { ...found[0], ...found[1], ...totalsOfMachine(ground) },
  };
}

function processSample(place: string, pid: number, heaps: string): ProcessSample[] {
  try {
    const descriptors = readdirSync(`/proc/${pid}/fd`).length;
    const live = liveBytes(heaps, pid);
    const heap = live === undefined ? {} : { heapMb: live / megabyte };
    return [{ place, pid, rssMb: residentBytes(pid) / megabyte, descriptors, ...heap }];
  } catch {
    return []; // it has ended meanwhile
  }
}

type Totals = Record<string, number>;
const inTime = <T>(work: Promise<T>, without: T): Promise<T> =>
  Promise.race([
    work.catch(() => without),
    new Promise<T>((resolve) => setTimeout(() => resolve(without), answerMs).unref()),
  ]);

interface Monitored {
  streams: number;
  consumers: number;
  account_details?: { stream_detail?: { name: string; state: { messages: number } }[] }[];
}
const totalsOfNats = ({ nats }: Ground): Promise<Totals> =>
  inTime<Totals>(
    (async () => {
      const response = await fetch(`${nats.monitorUrl}/jsz?streams=true`, {
        signal: AbortSignal.timeout(answerMs),
      });
      const seen = (await response.json()) as Monitored;
      const names = topologyNames("rv");
      const messages = new Map(
        (seen.account_details ?? [])
          .flatMap(({ stream_detail: streams = [] }) => streams)
          .map(({ name, state }) => [name, state.messages]),
      );
      return {
        streams: seen.streams,
        consumers: seen.consumers,
        "executions stored": messages.get(names.exec) ?? 0,
        "locks stored": messages.get(`KV_${names.issueLocks}`) ?? 0,
        "runner leases": messages.get(`KV_${names.runnerLeases}`) ?? 0,
      };
    })(),
    {},
  );

const totalsOfPostgres = ({ database }: Ground): Promise<Totals> =>
  inTime(
    database
      .query<{ n: number; live: number }>(
        `select (select count(*)::int from pg_stat_activity where datname = current_database()) as n,
          (select count(*)::int from heartbeat_runs where live) as live`,
      )
      .then(({ rows }) => ({ connections: rows[0]!.n, "live runs": rows[0]!.live })),
    {},
  );

const groupsFolder = "/sys/fs/cgroup/unified";
/** Control groups that runners with these pids have made: the pid is a part of their names. */
export function groupsOf(pids: ReadonlySet<number>): string[] {
  try {
    return readdirSync(groupsFolder).filter((name) => {
      const [, pid] = /^reveille-[0-9a-f-]{36}\.(\d+)\./.exec(name) ?? [];
      return pid !== undefined && pids.has(Number(pid));
    });
  } catch {
    return []; // no control groups here
  }
}

/** Files of agents: below the data folder, but for logs. */
function totalsOfMachine(ground: Ground): Totals {
  const folder = ground.stack.dataDir.root;
  const entries = readdirSync(folder, { withFileTypes: true }).filter(
    ({ name }) => name !== "logs",
  );
  let files = 0;
  for (const { parentPath, name } of entries) {
    try {
      files += readdirSync(`${parentPath}/${name}`, { recursive: true }).length;
    } catch {
      files += 1; // no folder
    }
  }
  return { files, groups: groupsOf(ground.runnerPids).length };
}
