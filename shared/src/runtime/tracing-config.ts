/** The standard variables of OpenTelemetry that services read; the exporter reads those of its transport itself. */
import { z } from "zod";

export const samplers = [
  "always_on",
  "always_off",
  "traceidratio",
  "parentbased_always_on",
  "parentbased_always_off",
  "parentbased_traceidratio",
] as const;
export type SamplerName = (typeof samplers)[number];

export const tracingShape = {
  /** Where spans go by OTLP over HTTP, without `/v1/traces`; unset: nothing is traced. */
  OTEL_EXPORTER_OTLP_ENDPOINT: z.url({ protocol: /^https?$/ }).optional(),
  /** Which traces are recorded; those that a caller began are decided by the caller, with the default. */
  OTEL_TRACES_SAMPLER: z.enum(samplers).default("parentbased_always_on"),
  /** With `traceidratio`: the share of new traces, 0 to 1. */
  OTEL_TRACES_SAMPLER_ARG: z.coerce.number().min(0).max(1).default(1),
  /** `key=value` by commas, added to every span's resource. */
  OTEL_RESOURCE_ATTRIBUTES: z.string().optional(),
};

export interface TracingConfig {
  /** Absent: no tracing. */
  endpoint: string | undefined;
  sampler: SamplerName;
  ratio: number;
}

/** From what `readConfig` made of `tracingShape`. */
export const tracingConfig = (read: {
  OTEL_EXPORTER_OTLP_ENDPOINT?: string | undefined;
  OTEL_TRACES_SAMPLER: SamplerName;
  OTEL_TRACES_SAMPLER_ARG: number;
}): TracingConfig => ({
  endpoint: read.OTEL_EXPORTER_OTLP_ENDPOINT,
  sampler: read.OTEL_TRACES_SAMPLER,
  ratio: read.OTEL_TRACES_SAMPLER_ARG,
});
