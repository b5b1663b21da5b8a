/**
 * The bare pipeline as a whole: wake -> transaction -> execution -> started -> transaction -> go -> (process)
 * -> finished -> transaction -> committed, over three processes and nothing else. Makes its streams and
 * tables, measures, and removes the streams.
 */
import { randomUUID } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import { jetstreamManager } from "@nats-io/jetstream";
import { createTables, dropTables } from "./batch.js";
import { nowMicros } from "./clock.js";
import { connectNats, connectPostgres } from "./connections.js";
import { startWorker, type ServerUrls } from "./process.js";
import type { RunnerInput, RunnerResult } from "./runner.js";
import { names, poolConsumerConfig, prefix, streams } from "./settings.js";
import type { BurstResult, DriverInput, PacedResult } from "./wake-driver.js";

export interface PipelineOptions extends ServerUrls {
  slots: number;
  agents: number;
  /** Wakes that are measured. */
  count: number;
  /** Wakes before them, that are not. */
  warmUp: number;
}
export interface ThroughputFigure {
  runs: number;
  seconds: number;
  runsPerSecond: number;
  /** From the first wake to the acknowledgement of the last. */
  publishSeconds: number;
}
export interface IdleFigure {
  /** Wake published -> go received by the runner, ms. */
  goMs: number[];
  /** Wake published -> the started process read its clock, ms. */
  startedMs: number[];
  clockDriftMs: number;
}

/** The longest that a burst may take: some 50 runs a second. */
const burstTimeoutMs = 240_000;
/** How often the end of a burst is looked for; a figure is too low by one of these at most. */
const pollMs = 100;

/** Runs a second with a backlog: from the first wake published to the last run committed. */
export const measureThroughput = (
  options: PipelineOptions,
  command: readonly string[] = [],
): Promise<ThroughputFigure> =>
  withPipeline(options, command, async ({ drive, succeeded }) => {
    let before = 0;
    const burst = async (count: number, label: string): Promise<ThroughputFigure> => {
      const published = await drive<BurstResult>({ mode: "burst", count, label }, burstTimeoutMs);
      const deadline = published.firstAt + burstTimeoutMs * 1_000;
      while ((await succeeded()) < before + count) {
        if (nowMicros() > deadline) throw new Error(`bare pipeline: ${count} wakes did not finish`);
        await delay(pollMs);
      }
      before += count;
      const seconds = (nowMicros() - published.firstAt) / 1e6;
      const publishSeconds = (published.lastAt - published.firstAt) / 1e6;
      return { runs: count, seconds, runsPerSecond: count / seconds, publishSeconds };
    };
    await burst(options.warmUp, "warm");
    return burst(options.count, "burst");
  });

/** One wake at a time on a quiet pipeline. Each run starts `date`, which prints when it lives. */
export const measureIdle = (
  options: PipelineOptions,
  dateCommand: readonly string[],
): Promise<IdleFigure> =>
  withPipeline(options, dateCommand, async ({ drive, goes }) => {
    const timeoutMs = 60_000 + options.count * 1_000;
    await drive<PacedResult>({ mode: "paced", count: options.warmUp, label: "warm" }, timeoutMs);
    const warm = (await goes()).length;
    const { samples, clockDriftMs } = await drive<PacedResult>(
      { mode: "paced", count: options.count, label: "paced" },
      timeoutMs,
    );
    const goTimes = (await goes()).slice(warm);
    return {
      goMs: samples.map(({ publishedAt }, at) => (goTimes[at]! - publishedAt) / 1e3),
      startedMs: samples.map(({ publishedAt, startedAt }) => (startedAt - publishedAt) / 1e3),
      clockDriftMs,
    };
  });

type Drive = <Result>(
  input: Pick<DriverInput, "mode" | "count" | "label">,
  timeoutMs: number,
) => Promise<Result>;
interface RunningPipeline {
  readonly drive: Drive;
  /** When each go arrived, from the runner. */
  readonly goes: () => Promise<number[]>;
  readonly succeeded: () => Promise<number>;
}

async function withPipeline<T>(
  options: PipelineOptions,
  command: readonly string[],
  measure: (pipeline: RunningPipeline) => Promise<T>,
): Promise<T> {
  const urls: ServerUrls = { natsUrl: options.natsUrl, databaseUrl: options.databaseUrl };
  const agentIds = Array.from({ length: options.agents }, () => randomUUID());
  const companyId = randomUUID();
  const cleanups: (() => Promise<unknown>)[] = [];
  try {
    const pool = connectPostgres(urls.databaseUrl, "floor-observer", 1);
    cleanups.push(() => pool.end());
    await createTables(pool);
    cleanups.push(() => dropTables(pool));
    cleanups.push(await createStreams(urls.natsUrl));
    const actor = await startWorker("actor", urls);
    cleanups.push(() => actor.stop());
    const runner = await startWorker("runner", {
      ...urls,
      slots: options.slots,
      command,
    } satisfies RunnerInput);
    cleanups.push(() => runner.stop());
    return await measure({
      drive: async <Result>(
        input: Pick<DriverInput, "mode" | "count" | "label">,
        timeoutMs: number,
      ) =>
        drive<Result>({ natsUrl: urls.natsUrl, prefix, companyId, agentIds, ...input }, timeoutMs),
      goes: async () => {
        const answer = runner.result<RunnerResult>(10_000);
        runner.send("goes");
        return (await answer).goes;
      },
      succeeded: async () => {
        const { rows } = await pool.query<{ count: number }>(
          "select count(*)::int as count from floor.runs where status = 'succeeded'",
        );
        return rows[0]!.count;
      },
    });
  } finally {
    for (const cleanup of cleanups.toReversed()) await cleanup();
  }
}

/** Starts a driver, lets it publish, ends it. Used for the product too. */
export async function drive<Result>(input: DriverInput, timeoutMs: number): Promise<Result> {
  const driver = await startWorker("wake-driver", input);
  try {
    const result = driver.result<Result>(timeoutMs);
    driver.send("go");
    return await result;
  } finally {
    await driver.stop();
  }
}

/** Makes the streams anew; the answer removes them. */
export async function createStreams(natsUrl: string): Promise<() => Promise<void>> {
  const connection = await connectNats(natsUrl, "floor-topology");
  const manager = await jetstreamManager(connection);
  const remove = async (): Promise<void> => {
    const present = await manager.streams.names().next();
    for (const { name } of streams) if (present.includes(name)) await manager.streams.delete(name);
  };
  await remove();
  for (const { subjects: wanted, ...stream } of streams)
    await manager.streams.add({ ...stream, subjects: [...wanted] });
  await manager.consumers.add(names.exec, poolConsumerConfig);
  return async () => {
    await remove();
    await connection.close();
  };
}
