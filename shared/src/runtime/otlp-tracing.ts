/**
 * Tracing by OpenTelemetry: spans leave in batches by OTLP over HTTP. The only place that knows its libraries.
 * Our spans are complete when they are told, so they go to the library's processor as what it passes on; its
 * tracers and its ambient context are not used, because what we trace outlives every call.
 */
import {
  ROOT_CONTEXT,
  SpanKind,
  SpanStatusCode,
  diag,
  DiagLogLevel,
  trace,
} from "@opentelemetry/api";
import type { HrTime, SpanContext } from "@opentelemetry/api";
import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-http";
import { detectResources, envDetector, resourceFromAttributes } from "@opentelemetry/resources";
import type { Resource } from "@opentelemetry/resources";
import {
  AlwaysOffSampler,
  AlwaysOnSampler,
  BatchSpanProcessor,
  ParentBasedSampler,
  RandomIdGenerator,
  SamplingDecision,
  TraceIdRatioBasedSampler,
} from "@opentelemetry/sdk-trace";
import type { ReadableSpan, Sampler } from "@opentelemetry/sdk-trace";
import { hostname } from "node:os";
import type { Logger } from "./log.js";
import type { SamplerName } from "./tracing-config.js";
import { namedContext, partsOf } from "./tracing.js";
import type { SpanRecord, Tracing } from "./tracing.js";

export interface OtlpOptions {
  service: string;
  endpoint: string;
  sampler: SamplerName;
  ratio: number;
  logger: Logger;
}

/** 8,192 spans of about 1 KB: 8 MB, and a few seconds of a busy host. Beyond it spans are dropped and the log says so. */
const queueMax = 8_192;
/** How long spans are gathered: somebody who looks for a trace has it when the run is over. */
const gatherMs = 1_000;
/** Of one export, and of the last one when the service ends. */
const exportMs = 5_000;
const sampledBit = 1;

export function openOtlpTracing(options: OtlpOptions): Tracing {
  const { endpoint, logger } = options;
  diag.setLogger(
    {
      error: (message) => logger.warn({ message }, "spans cannot be sent"),
      warn: (message) => logger.warn({ message }, "spans"),
      info: () => undefined,
      debug: () => undefined,
      verbose: () => undefined,
    },
    { logLevel: DiagLogLevel.WARN, suppressOverrideMessage: true },
  );
  const url = `${endpoint.replace(/\/+$/, "")}/v1/traces`;
  const processor = new BatchSpanProcessor({
    exporter: new OTLPTraceExporter({ url, timeoutMillis: exportMs }),
    maxQueueSize: queueMax,
    scheduledDelayMillis: gatherMs,
    exportTimeoutMillis: exportMs,
  });
  const ids = new RandomIdGenerator();
  const sampler = samplerOf(options);
  const resource = resourceOf(options.service);
  return {
    on: true,
    child: (parent) => {
      const { traceId, spanId, flags } = parent === null ? newTrace(ids) : partsOf(parent);
      const above =
        parent === null
          ? ROOT_CONTEXT
          : trace.setSpanContext(ROOT_CONTEXT, spanContextOf({ traceId, spanId, flags }));
      const { decision } = sampler.shouldSample(above, traceId, "", SpanKind.INTERNAL, {}, []);
      const sampled = decision === SamplingDecision.RECORD_AND_SAMPLED;
      return `00-${traceId}-${ids.generateSpanId()}-${sampled ? "01" : "00"}`;
    },
    named: namedContext,
    record: (span) => {
      const read = readable(span, resource);
      if (read.spanContext().traceFlags & sampledBit) processor.onEnd(read);
    },
    close: async () => {
      let timer: NodeJS.Timeout | undefined;
      const limit = new Promise<void>((late) => (timer = setTimeout(late, exportMs)));
      const sent = processor.shutdown().catch((error: unknown) => {
        logger.warn({ err: error }, "the last spans were not sent");
      });
      await Promise.race([sent, limit]);
      clearTimeout(timer);
    },
  };
}

const newTrace = (ids: RandomIdGenerator) => ({
  traceId: ids.generateTraceId(),
  spanId: "",
  flags: "00",
});

const spanContextOf = (parts: { traceId: string; spanId: string; flags: string }): SpanContext => ({
  traceId: parts.traceId,
  spanId: parts.spanId,
  traceFlags: Number.parseInt(parts.flags, 16),
  isRemote: true,
});

function samplerOf({ sampler, ratio }: OtlpOptions): Sampler {
  const root = sampler.endsWith("always_off")
    ? new AlwaysOffSampler()
    : sampler.endsWith("always_on")
      ? new AlwaysOnSampler()
      : new TraceIdRatioBasedSampler(ratio);
  return sampler.startsWith("parentbased_") ? new ParentBasedSampler({ root }) : root;
}

/** What the environment says wins: `OTEL_RESOURCE_ATTRIBUTES`, `OTEL_SERVICE_NAME`. */
const resourceOf = (service: string): Resource =>
  resourceFromAttributes({
    "service.name": `reveille-${service}`,
    "service.instance.id": `${hostname()}:${process.pid}`,
  }).merge(detectResources({ detectors: [envDetector] }));

const kinds = {
  server: SpanKind.SERVER,
  producer: SpanKind.PRODUCER,
  consumer: SpanKind.CONSUMER,
  internal: SpanKind.INTERNAL,
} as const;
const scope = { name: "reveille" };

function readable(span: SpanRecord, resource: Resource): ReadableSpan {
  const context = spanContextOf(partsOf(span.context));
  const endMs = Math.max(span.startMs, span.endMs);
  return {
    name: span.name,
    kind: kinds[span.kind ?? "internal"],
    spanContext: () => context,
    ...(span.parent === null ? {} : { parentSpanContext: spanContextOf(partsOf(span.parent)) }),
    startTime: timeOf(span.startMs),
    endTime: timeOf(endMs),
    duration: timeOf(endMs - span.startMs),
    status: span.error
      ? { code: SpanStatusCode.ERROR, message: span.error.slice(0, textMax) }
      : { code: SpanStatusCode.UNSET },
    attributes: attributesOf(span.attributes ?? {}),
    links: (span.links ?? []).map((link) => ({ context: spanContextOf(partsOf(link)) })),
    events: [],
    ended: true,
    resource,
    instrumentationScope: scope,
    droppedAttributesCount: 0,
    droppedEventsCount: 0,
    droppedLinksCount: 0,
  };
}

/** Of an attribute or an error: enough to recognise it; the rest is in rows and logs. */
const textMax = 500;

function attributesOf(given: NonNullable<SpanRecord["attributes"]>) {
  const kept: Record<string, string | number | boolean> = {};
  for (const [name, value] of Object.entries(given))
    if (value !== null && value !== undefined)
      kept[name] = typeof value === "string" ? value.slice(0, textMax) : value;
  return kept;
}

const msPerSecond = 1_000;
const nsPerMs = 1e6;
const nsPerSecond = 1e9;

/** Seconds and nanoseconds; rounded to less than a second, or the next one would be named twice. */
function timeOf(ms: number): HrTime {
  const seconds = Math.floor(ms / msPerSecond);
  const ns = Math.round((ms - seconds * msPerSecond) * nsPerMs);
  return ns >= nsPerSecond ? [seconds + 1, 0] : [seconds, ns];
}
