// Points 6 to 10: who finds whom. A selector that matches nothing is valid everywhere and useless.
import { at, isFields, listAt, numberAt, textAt, type Fields } from "../look.js";
import type { Facts } from "../facts.js";
import type { Point } from "../point.js";
import { kindOf, labelsOf, nameOf, ofKind, titleOf, type Rendering } from "../rendering.js";
import { podLabels, selects, workloadsOf } from "../workloads.js";

const isEmpty = (selector: unknown): boolean =>
  isFields(selector) && Object.keys(selector).length === 0;

/** Selectors of an object, with a word for each. */
function selectorsOf(object: Fields): [what: string, selector: unknown][] {
  switch (kindOf(object)) {
    case "Service":
    case "PodDisruptionBudget":
      return [[titleOf(object), at(object, "spec", "selector")]];
    case "NetworkPolicy": {
      const selector = at(object, "spec", "podSelector");
      return isEmpty(selector) ? [] : [[titleOf(object), selector]];
    }
    default:
      return listAt(object, "spec", "template", "spec", "topologySpreadConstraints").map((one) => [
        `the spread of ${titleOf(object)}`,
        at(one, "labelSelector"),
      ]);
  }
}

/** Scrapers find Services, or pods, and a port by its name. */
function monitorFaults(rendering: Rendering, facts: Facts): string[] {
  return ofKind(rendering, "ServiceMonitor", "PodMonitor").flatMap((monitor) => {
    const byService = kindOf(monitor) === "ServiceMonitor";
    const selector = at(monitor, "spec", "selector");
    const found = byService
      ? ofKind(rendering, "Service")
          .filter((service) => selects(selector, labelsOf(service)))
          .map((service) => listAt(service, "spec", "ports"))
      : workloadsOf(rendering)
          .filter((workload) => selects(selector, podLabels(workload)))
          .map(({ containers }) => containers.flatMap((container) => listAt(container, "ports")));
    return listAt(monitor, "spec", byService ? "endpoints" : "podMetricsEndpoints").flatMap(
      (one) => {
        const port = textAt(one, "port");
        const served = found.some((ports) => ports.some((each) => textAt(each, "name") === port));
        return [
          ...(served ? [] : [`${titleOf(monitor)} finds no port ${port}`]),
          ...(textAt(one, "path") === facts.paths.metrics
            ? []
            : [`${titleOf(monitor)} asks for ${textAt(one, "path")}`]),
        ];
      },
    );
  });
}

/** Replicas as far as the manifests say; a scaler's least number when it has the word. */
function leastReplicas(rendering: Rendering, deployment: Fields): number {
  const scaler = scalersOf(rendering).find((one) => targetOf(one) === titleOf(deployment));
  const own = numberAt(deployment, "spec", "replicas") ?? 1;
  if (!scaler) return own;
  return (
    numberAt(scaler, "spec", "minReplicas") ?? numberAt(scaler, "spec", "minReplicaCount") ?? 0
  );
}

const scalersOf = (rendering: Rendering): Fields[] =>
  ofKind(rendering, "HorizontalPodAutoscaler", "ScaledObject");
const targetOf = (scaler: Fields): string =>
  `${textAt(scaler, "spec", "scaleTargetRef", "kind") ?? "Deployment"}/${textAt(scaler, "spec", "scaleTargetRef", "name") ?? ""}`;

const budgetsOf = (rendering: Rendering, deployment: Fields): Fields[] => {
  const workload = workloadsOf(rendering).find(({ object }) => object === deployment);
  if (!workload) return [];
  return ofKind(rendering, "PodDisruptionBudget").filter((budget) =>
    selects(at(budget, "spec", "selector"), podLabels(workload)),
  );
};

function budgetFaults(rendering: Rendering, budget: Fields): string[] {
  const most = at(budget, "spec", "maxUnavailable");
  const least = at(budget, "spec", "minAvailable");
  if ((most === undefined) === (least === undefined))
    return [`${titleOf(budget)} needs either maxUnavailable or minAvailable`];
  if (most === 0 || most === "0%" || least === "100%")
    return [`${titleOf(budget)} allows no eviction at all`];
  if (typeof least !== "number") return [];
  return ofKind(rendering, "Deployment")
    .filter((deployment) => budgetsOf(rendering, deployment).includes(budget))
    .filter((deployment) => leastReplicas(rendering, deployment) <= least)
    .map((deployment) => `${titleOf(budget)} blocks every eviction from ${titleOf(deployment)}`);
}

export const selectionPoints: readonly Point[] = [
  {
    number: 6,
    title: "each selector finds a pod template, and each scraper its port",
    check: (rendering, facts) => {
      const pods = workloadsOf(rendering).map(podLabels);
      const blind = rendering.objects
        .flatMap(selectorsOf)
        .filter(([, selector]) => !pods.some((labels) => selects(selector, labels)))
        .map(([what]) => `${what} selects no pod`);
      return [...blind, ...monitorFaults(rendering, facts)];
    },
  },
  {
    number: 7,
    title: "each disruption budget has one bound and allows an eviction",
    check: (rendering) =>
      ofKind(rendering, "PodDisruptionBudget").flatMap((budget) => budgetFaults(rendering, budget)),
  },
  {
    number: 8,
    title: "each Deployment has exactly one disruption budget",
    check: (rendering) =>
      ofKind(rendering, "Deployment")
        .map((deployment) => [deployment, budgetsOf(rendering, deployment).length] as const)
        .filter(([, count]) => count !== 1)
        .map(([deployment, count]) => `${titleOf(deployment)} has ${count} disruption budgets`),
  },
  {
    number: 9,
    title: "each scaler's target is there, and has no other scaler",
    check: (rendering) => {
      const targets = scalersOf(rendering).map(targetOf);
      const there = new Set(rendering.objects.map(titleOf));
      return [
        ...targets.filter((target) => !there.has(target)).map((target) => `no ${target} to scale`),
        ...targets
          .filter((target, index) => targets.indexOf(target) !== index)
          .map((target) => `${target} has two scalers`),
      ];
    },
  },
  {
    number: 10,
    title: "who has a scaler has no replicas of its own, who has none says how many",
    check: (rendering) => {
      const scaled = new Set(scalersOf(rendering).map(targetOf));
      return ofKind(rendering, "Deployment").flatMap((deployment) => {
        const replicas = at(deployment, "spec", "replicas");
        if (scaled.has(titleOf(deployment)))
          return replicas === undefined ? [] : [`${nameOf(deployment)} has a scaler and replicas`];
        return replicas === undefined
          ? [`${nameOf(deployment)} has neither scaler nor replicas`]
          : [];
      });
    },
  },
];
