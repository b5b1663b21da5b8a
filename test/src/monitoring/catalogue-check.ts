// Owns the comparison of a query with the catalogue of metrics: names, labels, values, and whether a counter is read as one.
import { metricsCatalogue } from "@reveille/shared/runtime/metrics-catalogue";
import type { MetricSpec } from "@reveille/shared/runtime/metrics-catalogue";
import { readQuery } from "./promql.js";

const catalogue: Readonly<Record<string, MetricSpec>> = metricsCatalogue;
/** What Prometheus adds to everything that the monitors scrape. */
const targetLabels = ["job", "instance", "namespace", "pod", "container", "service", "endpoint"];

/** What is wrong with a query; empty: nothing. */
export function faultsOf(expr: string): string[] {
  const { errors, selectors, grouping } = readQuery(expr);
  const faults = errors.map((error) => `does not parse ${error}`);
  const known = new Set(targetLabels);
  for (const { metric, matchers } of selectors) {
    const spec = specOf(metric);
    if (!spec) {
      faults.push(`${metric} is not in the catalogue`);
      continue;
    }
    const labels: Record<string, readonly string[] | string> = {
      ...spec.labels,
      ...(metric.endsWith("_bucket") ? { le: "bounds" } : {}),
    };
    for (const label of Object.keys(labels)) known.add(label);
    for (const { label, operator, value } of matchers) {
      const values = labels[label];
      if (values === undefined && !targetLabels.includes(label))
        faults.push(`${metric} has no label ${label}`);
      const named = operator.endsWith("~") ? value.split("|") : [value];
      if (values !== undefined && typeof values !== "string")
        for (const one of named)
          if (!values.includes(one)) faults.push(`${metric} is never ${label}="${one}"`);
    }
    if (spec.type !== "gauge" && !/\b(rate|increase)\(/.test(expr))
      faults.push(`${metric} only ever rises: rate or increase tells something`);
  }
  for (const label of grouping)
    if (!known.has(label)) faults.push(`nothing that it names has the label ${label}`);
  return faults;
}

/** A histogram is read by its parts. */
function specOf(metric: string): MetricSpec | undefined {
  const part = /^(.+)_(bucket|sum|count)$/.exec(metric)?.[1];
  const histogram = part === undefined ? undefined : catalogue[part];
  if (histogram?.type === "histogram") return histogram;
  return catalogue[metric]?.type === "histogram" ? undefined : catalogue[metric];
}
