/**
 * The metrics of one service, as Prometheus reads them: those that the catalogue names, all of them from the
 * start. The only place that knows the library; what is counted is known by whoever counts.
 */
import { Counter, Gauge, Histogram, Registry } from "prom-client";
import { metricsOf } from "./metrics-catalogue.js";
import type {
  CounterName,
  GaugeName,
  HistogramName,
  MetricSpec,
  ServiceName,
} from "./metrics-catalogue.js";

export type Labels = Readonly<Record<string, string>>;
/** A value as it is when it is asked for. */
export interface Sample {
  value: number;
  labels?: Labels;
}
type Reading = number | readonly Sample[];

export interface Metrics {
  /** Adds to a counter, 1 by default. Labels are those of the catalogue. */
  count(name: CounterName, labels?: Labels, by?: number): void;
  /** One observation of a histogram, in seconds. A batch makes one, not each of its messages. */
  observe(name: HistogramName, seconds: number): void;
  /**
   * A value that is read at each scrape; once for each name. Of a counter the total so far. What throws or
   * rejects leaves the metric without samples, so that nobody takes an old figure for the present one.
   */
  read(name: GaugeName | CounterName, read: () => Reading | Promise<Reading>): void;
  /** Prometheus' text format, version 0.0.4. Never rejects. */
  text(): Promise<string>;
}

/** Where the text format is told apart from JSON and protobuf. */
export const metricsContentType = Registry.PROMETHEUS_CONTENT_TYPE;

/** Names with a closed set of values under one label are there from the start, so that their first increase is seen. */
export function createMetrics(service: ServiceName): Metrics {
  const registry = new Registry();
  const readers = new Map<string, () => Reading | Promise<Reading>>();
  const counters = new Map<string, Counter>();
  const histograms = new Map<string, Histogram>();
  for (const [name, spec] of metricsOf(service)) {
    const common = { name, help: spec.help, labelNames: labelNames(spec), registers: [registry] };
    if (spec.type === "histogram")
      histograms.set(name, new Histogram({ ...common, buckets: [...(spec.buckets ?? [])] }));
    else if (spec.type === "gauge")
      new Gauge({
        ...common,
        collect: async () =>
          setGauge(registry, name, common.labelNames.length > 0, readers.get(name)),
      });
    else
      counters.set(
        name,
        openCounter(common, spec, () => readers.get(name)),
      );
  }
  const metrics: Metrics = {
    count: (name, labels = {}, by = 1) => counters.get(name)?.inc({ ...labels }, by),
    observe: (name, seconds) => histograms.get(name)?.observe(Math.max(0, seconds)),
    read: (name, read) => void readers.set(name, read),
    text: () => registry.metrics(),
  };
  readProcess(metrics);
  return metrics;
}

const labelNames = (spec: MetricSpec): string[] => Object.keys(spec.labels ?? {});

interface Common {
  name: string;
  help: string;
  labelNames: string[];
  registers: Registry[];
}

function openCounter(
  common: Common,
  spec: MetricSpec,
  reader: () => (() => Reading | Promise<Reading>) | undefined,
): Counter {
  const counter: Counter = new Counter({
    ...common,
    collect: async () => {
      const read = reader();
      if (!read) return;
      const samples = await readAll(read);
      // Back to 0 would look like another life of the process.
      if (samples.length === 0) return;
      counter.reset();
      for (const { value, labels = {} } of samples) counter.inc({ ...labels }, value);
    },
  });
  const [label, ...others] = Object.entries(spec.labels ?? {});
  if (label && others.length === 0 && typeof label[1] !== "string")
    for (const value of label[1]) counter.inc({ [label[0]]: value }, 0);
  return counter;
}

async function setGauge(
  registry: Registry,
  name: string,
  labelled: boolean,
  read: (() => Reading | Promise<Reading>) | undefined,
): Promise<void> {
  const gauge = registry.getSingleMetric(name) as Gauge;
  const samples = read ? await readAll(read) : [];
  // Labels that are gone would stand for ever, and a value that cannot be read is none: resetting one without labels leaves a 0.
  gauge.reset();
  if (samples.length === 0 && !labelled) gauge.remove();
  for (const { value, labels = {} } of samples) gauge.set({ ...labels }, value);
}

async function readAll(read: () => Reading | Promise<Reading>): Promise<readonly Sample[]> {
  try {
    const reading = await read();
    return typeof reading === "number" ? [{ value: reading }] : reading;
  } catch {
    // Whoever reads says in its own log why it could not; a scrape shows what there is.
    return [];
  }
}

const microsPerSecond = 1e6;
const msPerSecond = 1_000;

function readProcess(metrics: Metrics): void {
  const startedAtSec = (Date.now() - process.uptime() * msPerSecond) / msPerSecond;
  metrics.read("process_resident_memory_bytes", () => process.memoryUsage.rss());
  metrics.read("process_start_time_seconds", () => startedAtSec);
  metrics.read("process_cpu_seconds_total", () => {
    const { user, system } = process.cpuUsage();
    return (user + system) / microsPerSecond;
  });
}
