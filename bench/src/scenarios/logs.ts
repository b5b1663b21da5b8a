/**
 * One run that prints as fast as it can: MB/s from process to a live subscriber, completeness there and in the
 * replay, the runner's memory meanwhile. The floor publishes chunks of the size that the product chose.
 */
import { createHash } from "node:crypto";
import { fileURLToPath } from "node:url";
import { measureLogRate } from "../floor/log-rate.js";
import { startWorker } from "../floor/process.js";
import type { LogReplayInput } from "../floor/log-replay.js";
import type { LogSubscriberInput, LogSubscriberResult } from "../floor/log-subscriber.js";
import { drive } from "../floor/pipeline.js";
import { besideFloor, check, figure, type Findings } from "../figure.js";
import { logBlocks } from "../log-content.js";
import { residentMb, watchPeak } from "../process-usage.js";
import { addAgents, processAdapter, untilOver } from "../product.js";
import type { BenchServers } from "../servers.js";
import { withProduct, withServers, type ScenarioOptions } from "./scenario.js";

const writer = fileURLToPath(new URL("../log-writer.js", import.meta.url));
/** The longest that a log may take. */
const logTimeoutMs = 200_000;
/** What the floor keeps unacknowledged; the rate no longer grows beyond it (64 to 256 chunks when measured). */
const inFlightMax = 256;

/** Measures one log of 200 MB, the size that the issue names. */
export const logs = (options: ScenarioOptions): Promise<Findings> =>
  withServers(options, async (servers) => {
    const bytes = options.quick ? 50_000_000 : 200_000_000;
    options.say("product");
    const product = await withProduct(servers, 4, ({ pool, stack }) =>
      follow(servers, pool, stack.endpoints.pids.runner[0] ?? 0, bytes),
    );
    options.say("floor");
    const chunkBytes = Math.round(bytes / product.live.chunks);
    const floor = await measureLogRate(servers.natsUrl, { bytes, chunkBytes, inFlightMax });
    const seconds = (product.live.lastAt - product.live.firstAt) / 1e6;
    const replaySeconds = (product.replay.lastAt - product.replay.firstAt) / 1e6;
    const expected = digest(bytes);
    const { before, peak } = product.memory;
    const megabytes = bytes / 1e6;
    return {
      figures: [
        besideFloor(
          "process -> live subscriber",
          megabytes / seconds,
          "MB/s",
          { name: "raw JetStream publish", value: floor.megabytesPerSecond },
          undefined,
          { samples: 1, detail: { bytes, chunkBytes, seconds, floor } },
        ),
        figure("replay of the finished log", megabytes / replaySeconds, "MB/s"),
        // The bar of the issue.
        figure(
          "growth of the runner",
          peak - before,
          "MB",
          { direction: "lower", limit: 150 },
          { detail: { before, peak } },
        ),
      ],
      checks: [
        check("live log complete", product.live.sha256 === expected, `${product.live.bytes} bytes`),
        check(
          "replay complete",
          product.replay.sha256 === expected,
          `${product.replay.bytes} bytes`,
        ),
        check(
          "the record has its hash",
          product.recorded.sha256 === expected && product.recorded.bytes === bytes,
          `${product.recorded.bytes} bytes recorded`,
        ),
      ],
    };
  });

type Pool = Parameters<typeof addAgents>[0];

async function follow(servers: BenchServers, pool: Pool, runnerPid: number, bytes: number) {
  const fleet = await addAgents(pool, 1, processAdapter(process.execPath, [writer, String(bytes)]));
  const stdout = `rv.${fleet.companyId}.run.*.log.stdout`;
  const natsUrl = servers.publicNatsUrl;
  const subscriber = await startWorker("log-subscriber", {
    natsUrl,
    subject: stdout,
    bytes,
  } satisfies LogSubscriberInput);
  const replayer = await startWorker("log-replay", {
    natsUrl,
    stream: "LOGS",
    subject: stdout,
    bytes,
  } satisfies LogReplayInput);
  const before = residentMb(runnerPid);
  const watch = watchPeak(runnerPid);
  try {
    const arrived = subscriber.result<LogSubscriberResult>(logTimeoutMs);
    const wake = {
      natsUrl,
      prefix: "rv",
      ...fleet,
      count: 1,
      label: "log",
      mode: "burst",
    } as const;
    const [live] = await Promise.all([arrived, drive(wake, 30_000)]);
    await untilOver(pool, fleet.companyId, 1, 60_000);
    const memory = { before, peak: watch.stop() };
    const { rows } = await pool.query<{ bytes: string; sha256: string }>(
      "select log_bytes as bytes, log_sha256 as sha256 from heartbeat_runs where company_id = $1",
      [fleet.companyId],
    );
    const replayed = replayer.result<LogSubscriberResult>(logTimeoutMs);
    replayer.send("go");
    const recorded = { bytes: Number(rows[0]!.bytes), sha256: rows[0]!.sha256 };
    return { live, memory, recorded, replay: await replayed };
  } finally {
    watch.stop();
    await Promise.all([subscriber.stop(), replayer.stop()]);
  }
}

function digest(bytes: number): string {
  const hash = createHash("sha256");
  for (const block of logBlocks(bytes)) hash.update(block);
  return hash.digest("hex");
}
