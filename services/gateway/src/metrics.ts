/** Counters and gauges of one gateway, as Prometheus reads them. Names carry their unit. */

export interface Metrics {
  /** Adds to a counter. Labels come from small fixed sets: every combination is a line for ever. */
  count(name: string, labels?: Record<string, string>, by?: number): void;
  /** Registers a value that is read when it is asked for. */
  gauge(name: string, read: () => number): void;
  text(): string;
}

export function createMetrics(): Metrics {
  const counters = new Map<string, number>();
  const gauges = new Map<string, () => number>();
  return {
    count: (name, labels = {}, by = 1) => {
      const inner = Object.entries(labels)
        .map(([key, value]) => `${key}="${value}"`)
        .join(",");
      const line = inner === "" ? name : `${name}{${inner}}`;
      counters.set(line, (counters.get(line) ?? 0) + by);
    },
    gauge: (name, read) => void gauges.set(name, read),
    text: () =>
      [
        ...[...counters].map(([line, value]) => `${line} ${value}`),
        ...[...gauges].map(([name, read]) => `${name} ${read()}`),
        `process_resident_memory_bytes ${process.memoryUsage.rss()}`,
        "",
      ].join("\n"),
  };
}
