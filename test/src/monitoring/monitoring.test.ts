// Alert rules, dashboard and page agree with what services expose: every name, label and value is in the catalogue, every query parses,
// every alert has its page.
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { parse, parseAllDocuments } from "yaml";
import {
  metricsCatalogue,
  metricsOf,
  serviceNames,
} from "@reveille/shared/runtime/metrics-catalogue";
import type { MetricSpec } from "@reveille/shared/runtime/metrics-catalogue";
import { faultsOf } from "./catalogue-check.js";
import { metricsTable } from "./metrics-table.js";
import { readQuery } from "./promql.js";

const root = new URL("../../../", import.meta.url);
const read = (path: string): string => readFileSync(fileURLToPath(new URL(path, root)), "utf8");
const component = "deploy/k8s/components/monitoring/";
const page = read("docs/observability.md");

interface Rule {
  alert: string;
  expr: string;
  for?: string;
  labels: { severity: string };
  annotations: { summary: string; description: string; runbook: string };
}
interface Panel {
  id: number;
  type: string;
  title: string;
  gridPos: { h: number; w: number; x: number; y: number };
  targets?: { expr: string; refId: string; datasource: object }[];
}
const rules = (
  parse(read(`${component}rules.yaml`)) as { spec: { groups: { rules: Rule[] }[] } }
).spec.groups.flatMap((group) => group.rules);
const dashboard = JSON.parse(read(`${component}reveille.json`)) as {
  uid: string;
  panels: Panel[];
  templating: { list: { name: string; query: unknown }[] };
};
const queries = dashboard.panels.flatMap((panel) =>
  (panel.targets ?? []).map(({ expr }) => ({ title: panel.title, expr })),
);

describe("alert rules", () => {
  test.each(rules.map((rule) => [rule.alert, rule] as const))("%s", (name, rule) => {
    expect(name).toMatch(/^Reveille[A-Z]\w+$/);
    expect(faultsOf(rule.expr)).toEqual([]);
    expect(rule.for ?? "0m").toMatch(/^\d+[mh]$/);
    expect(["critical", "warning", "info"]).toContain(rule.labels.severity);
    const { summary, description, runbook } = rule.annotations;
    for (const text of [summary, description]) expect(text.length).toBeGreaterThan(10);
    // A label that the expression has taken away would be shown empty.
    for (const [, label] of `${summary} ${description}`.matchAll(/\$labels\.(\w+)/g))
      expect(readQuery(rule.expr).grouping).toContain(label);
    expect(runbook).toBe(`docs/observability.md#${name.toLowerCase()}`);
    expect(page).toContain(`\n### ${name}\n`);
  });

  test("there are no pages of alerts that nobody has", () => {
    const pages = [...page.matchAll(/^### (Reveille\w+)$/gm)].map(([, name]) => name);
    expect(pages.toSorted()).toEqual(rules.map(({ alert }) => alert).toSorted());
    expect(new Set(pages).size).toBe(pages.length);
  });

  test("tell of what an operator has to know", () => {
    const said = rules.map(({ expr }) => expr).join("\n");
    for (const metric of [
      "reveille_mailbox_lag_messages",
      "reveille_partitions_unowned",
      "reveille_commits_total",
      "reveille_mailbox_generation",
      "reveille_pool_waiting",
      "reveille_dead_letters_total",
      "reveille_stream_fill_ratio",
      "reveille_publish_retries_total",
      "reveille_runner_reports_unanswered",
    ])
      expect(said).toContain(metric);
  });
});

describe("the dashboard", () => {
  test.each(queries.map(({ title, expr }) => [title, expr]))("%s: %s", (_title, expr) => {
    expect(faultsOf(expr)).toEqual([]);
  });

  test("has a row for each service, and panels that lie beside each other", () => {
    const rows = dashboard.panels.filter(({ type }) => type === "row").map(({ title }) => title);
    expect(rows).toEqual(expect.arrayContaining(["Gateways", "Actor hosts", "Pools and runners"]));
    const taken = new Set<string>();
    for (const { gridPos, title } of dashboard.panels) {
      expect(gridPos.x + gridPos.w, title).toBeLessThanOrEqual(24);
      for (let x = gridPos.x; x < gridPos.x + gridPos.w; x += 1)
        for (let y = gridPos.y; y < gridPos.y + gridPos.h; y += 1) {
          expect(taken.has(`${x} ${y}`), `${title} lies on another panel`).toBe(false);
          taken.add(`${x} ${y}`);
        }
    }
    const ids = dashboard.panels.map(({ id }) => id);
    expect(new Set(ids).size).toBe(ids.length);
  });

  test("asks the data source that its reader chose, for pools that there are", () => {
    expect(dashboard.uid).toBe("reveille");
    for (const { targets = [] } of dashboard.panels)
      for (const { datasource } of targets)
        expect(datasource).toEqual({ type: "prometheus", uid: "${datasource}" });
    expect(dashboard.templating.list.map(({ name }) => name)).toEqual(["datasource", "pool"]);
  });

  test("shows every metric of ours, and nothing that is not there", () => {
    const shown = new Set(
      queries.flatMap(({ expr }) =>
        readQuery(expr).selectors.map(({ metric }) => metric.replace(/_bucket$/, "")),
      ),
    );
    const all = Object.keys(metricsCatalogue).filter((name) => name.startsWith("reveille_"));
    const unseen = all.filter((name) => !shown.has(name));
    // Told by a neighbour on the same page: slots of runners by their pool's, buffered messages by the lag.
    expect(unseen).toEqual(notOnTheDashboard);
  });
});
const notOnTheDashboard = [
  "reveille_mailbox_fill_ratio",
  "reveille_event_frames_total",
  "reveille_partitions_reading",
  "reveille_mailbox_buffered_messages",
  "reveille_batches_in_flight",
  "reveille_agents_resident",
  "reveille_runner_slots",
  "reveille_runner_attempts_live",
  "reveille_runner_spares",
];

describe("the check itself", () => {
  test.each([
    ["sum(((", "does not parse"],
    ["sum(reveille_no_such_metric)", "is not in the catalogue"],
    ['reveille_pool_slots{colour="red"}', "has no label colour"],
    ['rate(reveille_commits_total{outcome="fence"}[5m])', 'is never outcome="fence"'],
    ["sum by (pool) (reveille_actor_hosts)", "has the label pool"],
    ["sum(reveille_commits_total)", "only ever rises"],
    ["rate(reveille_commit_seconds[5m])", "is not in the catalogue"],
    ["rate(reveille_pool_slots_bucket[5m])", "is not in the catalogue"],
  ])("finds what is wrong with %s", (expr, fault) => {
    expect(faultsOf(expr).join("; ")).toContain(fault);
  });
});

test("monitors scrape the port that every service has its figures on", () => {
  const monitors = parseAllDocuments(read(`${component}monitors.yaml`)).map(
    (document) =>
      document.toJS() as { kind: string; spec: Record<string, { port: string; path: string }[]> },
  );
  expect(monitors.map(({ kind }) => kind)).toEqual(["ServiceMonitor", "PodMonitor"]);
  for (const { spec } of monitors)
    expect((spec["endpoints"] ?? spec["podMetricsEndpoints"])?.[0]).toMatchObject({
      port: "health",
      path: "/metrics",
    });
});

describe("the page", () => {
  test.each(["all", ...serviceNames] as const)(
    "has the table of %s as the catalogue says",
    (service) => {
      // `node test/dist/monitoring/metrics-table.js` prints it.
      expect(page).toContain(metricsTable(service));
    },
  );

  test("has every metric in one table", () => {
    const rows = [...page.matchAll(/^\| `(reveille_\w+|process_\w+)` /gm)].map(([, name]) => name);
    expect(rows.toSorted()).toEqual(Object.keys(metricsCatalogue).toSorted());
  });

  test("says of every metric who exposes it", () => {
    for (const service of serviceNames)
      for (const [, spec] of metricsOf(service) as [string, MetricSpec][])
        expect([1, serviceNames.length]).toContain(spec.services.length);
  });
});
