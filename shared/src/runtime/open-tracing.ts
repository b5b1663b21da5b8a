/** Tracing as the configuration wants it. Without an endpoint the libraries are not even loaded. */
import type { Logger } from "./log.js";
import type { TracingConfig } from "./tracing-config.js";
import { noTracing } from "./tracing.js";
import type { Tracing } from "./tracing.js";

export async function openTracing(
  service: string,
  config: TracingConfig,
  logger: Logger,
): Promise<Tracing> {
  const { endpoint, sampler, ratio } = config;
  if (endpoint === undefined) return noTracing;
  const { openOtlpTracing } = await import("./otlp-tracing.js");
  logger.info({ endpoint: withoutPassword(endpoint), sampler, ratio }, "traces are sent");
  return openOtlpTracing({ service, endpoint, sampler, ratio, logger });
}

/** An address may carry a password; a log never does. */
function withoutPassword(endpoint: string): string {
  const url = new URL(endpoint);
  url.password = "";
  url.username = "";
  return url.href;
}
