/**
 * The floors by themselves, against servers that already run:
 * `node bench/dist/floor/main.js [idle] [throughput] [spawn] [logs]` with NATS_URL and DATABASE_URL set.
 * Prints one JSON line for each.
 */
import { measureLogRate } from "./log-rate.js";
import { measureIdle, measureThroughput } from "./pipeline.js";
import { measureSpawnLatency, measureSpawnRate } from "./spawn-rate.js";

const natsUrl = process.env["NATS_URL"] || "nats://127.0.0.1:4222";
const databaseUrl = process.env["DATABASE_URL"] || "postgres://127.0.0.1:5432/postgres";
const urls = { natsUrl, databaseUrl };
const date = ["/bin/date", "+%s%N"];
const percentile = (samples: readonly number[], q: number): number =>
  samples.toSorted((a, b) => a - b)[Math.min(samples.length - 1, Math.floor(samples.length * q))]!;
const middleAndTail = (samples: readonly number[]): object => ({
  p50: percentile(samples, 0.5),
  p99: percentile(samples, 0.99),
});

const floors: Record<string, () => Promise<object>> = {
  idle: async () => {
    const size = { slots: 64, agents: 100, count: 200, warmUp: 40 };
    const figure = await measureIdle({ ...urls, ...size }, date);
    return { go: middleAndTail(figure.goMs), started: middleAndTail(figure.startedMs) };
  },
  throughput: () =>
    measureThroughput({ ...urls, slots: 256, agents: 1_000, count: 10_000, warmUp: 2_000 }),
  spawn: async () => ({
    latency: middleAndTail(await measureSpawnLatency(date, 200)),
    rates: [
      await measureSpawnRate("/bin/true", 1, 300),
      await measureSpawnRate("/bin/true", 8, 1_000),
      await measureSpawnRate("/bin/true", 32, 1_000),
    ],
  }),
  logs: () => measureLogRate(natsUrl, { bytes: 200_000_000, chunkBytes: 65_536, inFlightMax: 256 }),
};

const asked = process.argv.slice(2);
for (const [name, measure] of Object.entries(floors))
  if (asked.length === 0 || asked.includes(name))
    process.stdout.write(`${JSON.stringify({ floor: name, ...(await measure()) })}\n`);
