// Owns an autoscaler in little: KEDA's two figures for one pool and the arithmetic that KEDA and the HPA make of them. Starts and stops
// runners as it is told by that arithmetic alone; knows no run.
import { fullForm } from "../harness/fault-form.js";

/** What a ScaledObject says of one pool; times in ms. */
export interface ScalerSettings {
  /** `lagThreshold`: messages of the consumer that one runner should have. */
  lagThreshold: number;
  /** Runs of the pool, waiting and running, that one runner should have. */
  demandThreshold: number;
  maxReplicas: number;
  pollMs: number;
  /** From the last time that anything was active until the last runner goes. */
  cooldownMs: number;
  /** The HPA takes the largest of what it would have wanted within this time. */
  stabilizationMs: number;
}
export interface Figures {
  lag: number;
  demand: number;
}
export interface ScalerPorts {
  figures(): Promise<Figures>;
  start(): Promise<void>;
  /** Ends one of them, whichever: a scaler does not choose. Resolves when it is told. */
  endOne(): Promise<void>;
}
export interface Scaler {
  /** How many runners there should be now. */
  readonly replicas: number;
  /** Each number of replicas that it went to, from the first 0 on. */
  readonly path: readonly number[];
  /** Every pair of figures that it saw, for a failure. */
  readonly seen: readonly Figures[];
  stop(): Promise<void>;
}

interface Consumer {
  stream_name: string;
  name: string;
  num_pending: number;
  num_ack_pending: number;
}
interface Jsz {
  account_details?: {
    name: string;
    stream_detail?: {
      name: string;
      state: { last_seq: number };
      consumer_detail?: Consumer[];
    }[];
  }[];
}

/**
 * The lag of a consumer as KEDA's `nats-jetstream` scaler has it, from the monitoring endpoint of the server: what is not delivered and
 * what is not acknowledged. Without the consumer it is the last sequence of the whole stream, as there.
 */
export async function lagOf(
  monitorUrl: string,
  { stream, consumer, account = "$G" }: { stream: string; consumer: string; account?: string },
): Promise<number> {
  const url = `${monitorUrl}/jsz?acc=${encodeURIComponent(account)}&consumers=true&config=true`;
  const answer = await fetch(url, { signal: AbortSignal.timeout(10_000) });
  const found = ((await answer.json()) as Jsz).account_details
    ?.find(({ name }) => name === account)
    ?.stream_detail?.find(({ name }) => name === stream);
  if (!found) throw new Error(`the server shows no stream ${stream} of account ${account}`);
  const own = found.consumer_detail?.find(({ name }) => name === consumer);
  return own ? own.num_pending + own.num_ack_pending : found.state.last_seq;
}

/** One gauge of a pool from a gateway's `/metrics`; 0 when the pool has no line. */
export async function poolGauge(gateway: string, gauge: string, pool: string): Promise<number> {
  const answer = await fetch(`${gateway}/metrics`, { signal: AbortSignal.timeout(10_000) });
  const lines = (await answer.text()).split("\n");
  if (!lines.some((line) => line.startsWith(`${gauge}{`))) throw new Error(`no gauge ${gauge}`);
  const line = lines.find((each) => each.startsWith(`${gauge}{pool="${pool}"}`));
  return Number(line?.split(" ").at(-1) ?? 0);
}

/** Polls until it is stopped. A failure of a port ends it and is thrown by `stop`. */
export function startScaler(settings: ScalerSettings, ports: ScalerPorts): Scaler {
  const { pollMs, maxReplicas, cooldownMs, stabilizationMs } = settings;
  const path = [0];
  const seen: Figures[] = [];
  const wanted: { at: number; replicas: number }[] = [];
  let replicas = 0;
  let activeAt = Number.NEGATIVE_INFINITY;
  let stopped = false;

  const desired = (figures: Figures, now: number): number => {
    const { lag, demand } = figures;
    // One active trigger keeps the pool; the larger of what each asks for counts.
    if (lag > 0 || demand > 0) activeAt = now;
    if (now - activeAt > cooldownMs) return 0;
    const asked = Math.max(
      Math.ceil(lag / settings.lagThreshold),
      Math.ceil(demand / settings.demandThreshold),
    );
    // Between 0 and 1 KEDA decides; from 1 on the HPA does, which knows no 0.
    wanted.push({ at: now, replicas: Math.min(maxReplicas, Math.max(1, asked)) });
    const recent = wanted.filter(({ at }) => now - at <= stabilizationMs);
    const largest = Math.max(...recent.map((each) => each.replicas));
    return Math.max(wanted.at(-1)!.replicas, Math.min(replicas, largest));
  };
  const look = async (): Promise<void> => {
    const figures = await ports.figures();
    seen.push(figures);
    const next = desired(figures, performance.now());
    if (next === replicas) return;
    path.push(next);
    const change = next - replicas;
    replicas = next;
    await Promise.all(
      Array.from({ length: Math.abs(change) }, () => (change > 0 ? ports.start() : ports.endOne())),
    );
  };
  const running = (async () => {
    while (!stopped) {
      await look();
      await new Promise((resolve) => setTimeout(resolve, pollMs));
    }
  })();
  // Thrown by `stop`; until then it is nobody's.
  running.catch(() => undefined);
  return {
    get replicas() {
      return replicas;
    },
    path,
    seen,
    stop: async () => {
      stopped = true;
      await running;
    },
  };
}

/** For a test of seconds: KEDA's defaults are polls of 30 s and a cool-down of 300 s. */
export const hastySettings: ScalerSettings = {
  lagThreshold: 4,
  demandThreshold: 4,
  maxReplicas: fullForm ? 8 : 4,
  pollMs: 500,
  cooldownMs: 4_000,
  stabilizationMs: 2_000,
};
