// Owns reading PromQL: does it parse, which metrics does it name, with which labels. Uses Prometheus's own grammar; knows no metric.
import { parser } from "@prometheus-io/lezer-promql";

export interface Selector {
  metric: string;
  /** Labels that are matched, each with the values that `=` names. */
  matchers: { label: string; operator: string; value: string }[];
}
export interface Query {
  /** What the grammar does not take; empty: it is right. */
  errors: string[];
  selectors: Selector[];
  /** In `by (...)` and `without (...)`. */
  grouping: string[];
}

/** What Grafana puts in place of its variables, for the grammar. */
const grafana: readonly [RegExp, string][] = [
  [/\$__rate_interval/g, "5m"],
  [/\$[a-z]+/g, ".*"],
];

export function readQuery(written: string): Query {
  const text = grafana.reduce((made, [name, value]) => made.replace(name, value), written);
  const errors: string[] = [];
  const selectors: Selector[] = [];
  const grouping: string[] = [];
  let within = "";
  parser.parse(text).iterate({
    enter: (node) => {
      const said = text.slice(node.from, node.to);
      if (node.type.isError)
        errors.push(`at ${node.from}: ${text.slice(node.from - 10, node.to + 10)}`);
      if (node.name === "GroupingLabels" || node.name === "LabelMatchers") within = node.name;
      else if (node.name === "Identifier") selectors.push({ metric: said, matchers: [] });
      else if (node.name === "LabelName" && within === "GroupingLabels") grouping.push(said);
      else if (node.name === "UnquotedLabelMatcher") {
        const [, label, operator, value] =
          /^\s*(\w+)\s*(=~|!~|!=|=)\s*"(.*)"\s*$/s.exec(said) ?? [];
        if (label === undefined) errors.push(`not a matcher: ${said}`);
        else selectors.at(-1)!.matchers.push({ label, operator: operator!, value: value! });
      }
    },
  });
  return { errors, selectors, grouping };
}
