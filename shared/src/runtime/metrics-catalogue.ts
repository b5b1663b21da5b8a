/**
 * Every metric that a service exposes, as data: the page docs/observability.md, the dashboard and the alert
 * rules are checked against it, and so is what services really expose. Counts nothing itself.
 */
import { metricsOfAgentActor } from "./catalogue/agent-actor.js";
import { metricsOfAll } from "./catalogue/every-service.js";
import { metricsOfGateway } from "./catalogue/gateway.js";
import { metricsOfRunner } from "./catalogue/runner.js";
import type { MetricSpec, ServiceName } from "./catalogue/spec.js";

export { serviceNames } from "./catalogue/spec.js";
export type { MetricSpec, ServiceName } from "./catalogue/spec.js";

export const metricsCatalogue = {
  ...metricsOfAll,
  ...metricsOfGateway,
  ...metricsOfAgentActor,
  ...metricsOfRunner,
} as const;

type MetricName = keyof typeof metricsCatalogue;
type NamesOf<Type extends MetricSpec["type"]> = {
  [Name in MetricName]: (typeof metricsCatalogue)[Name]["type"] extends Type ? Name : never;
}[MetricName];
export type CounterName = NamesOf<"counter">;
export type GaugeName = NamesOf<"gauge">;
export type HistogramName = NamesOf<"histogram">;

/** What a service exposes, in the order of the catalogue. */
export const metricsOf = (service: ServiceName): [MetricName, MetricSpec][] =>
  (Object.entries(metricsCatalogue) as [MetricName, MetricSpec][]).filter(([, spec]) =>
    spec.services.includes(service),
  );
