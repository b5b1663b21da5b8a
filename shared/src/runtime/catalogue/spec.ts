/** What the catalogue of metrics says of each. Knows no metric. */

export const serviceNames = ["gateway", "agent-actor", "runner"] as const;
export type ServiceName = (typeof serviceNames)[number];

export interface MetricSpec {
  type: "counter" | "gauge" | "histogram";
  /** One sentence for Prometheus and for the docs. */
  help: string;
  /** Of each label all its values, or what bounds their number. */
  labels?: Readonly<Record<string, readonly string[] | string>>;
  services: readonly ServiceName[];
  /** Upper bounds of a histogram, in its unit. */
  buckets?: readonly number[];
}

/** 1 ms to 10 s: one idle decision or commit takes 1 to 3 ms, a statement is cut at 10 s (`postgres/pool.ts`). */
export const workSeconds = [
  0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10,
] as const;
/** 5 ms to an hour: an idle wake starts in 20 ms, one behind others or without a runner when there is one. */
export const waitSeconds = [0.005, 0.025, 0.1, 0.5, 1, 5, 15, 60, 300, 900, 3_600] as const;
