// Faults of points 1 to 10: objects, and who finds whom.
import {
  add,
  changed,
  container,
  gateway,
  inside,
  runner,
  scaler,
  set,
  without,
  type Faults,
} from "./plant.js";

export const objectsFaults: Faults = {
  1: [
    {
      what: "a warning of the renderer",
      said: /commonLabels/,
      plant: (rendering, facts) => [
        { ...rendering, warnings: ["# Warning: 'commonLabels' is deprecated"] },
        facts,
      ],
    },
  ],
  2: [
    {
      what: "a number as text",
      said: /minReadySeconds/,
      plant: set(gateway, ["spec", "minReadySeconds"], "ten"),
    },
    {
      what: "an object of which nobody knows the shape",
      said: /no schema for Gadget/,
      plant: add({
        apiVersion: "v1",
        kind: "Gadget",
        metadata: { name: "one", namespace: "reveille" },
      }),
    },
  ],
  3: [
    {
      what: "a field that is misspelt",
      said: /livenesProbe/,
      plant: set(gateway, [...container, "livenesProbe"], { periodSeconds: 1 }),
    },
    {
      what: "a field of a trigger's object that KEDA does not know",
      said: /cooldownSeconds/,
      plant: set(scaler, ["spec", "cooldownSeconds"], 300),
    },
  ],
  4: [
    {
      what: "an object twice",
      said: /twice/,
      plant: (rendering, facts) => [
        { ...rendering, objects: [...rendering.objects, ...rendering.objects.slice(0, 1)] },
        facts,
      ],
    },
  ],
  5: [
    {
      what: "pods without part-of, as labels without includeTemplates leave them",
      said: /pod of .* has no app.kubernetes.io\/part-of/,
      plant: set(
        gateway,
        ["spec", "template", "metadata", "labels", "app.kubernetes.io/part-of"],
        undefined,
      ),
    },
    {
      what: "an object without a namespace",
      said: /has no namespace/,
      plant: set("Service/reveille-gateway", ["metadata", "namespace"], undefined),
    },
  ],
  6: [
    {
      what: "a Service that finds nobody",
      said: /Service\/reveille-gateway selects no pod/,
      plant: set(
        "Service/reveille-gateway",
        ["spec", "selector", "app.kubernetes.io/component"],
        "gatewy",
      ),
    },
    {
      what: "a scraper of a port that nobody has",
      said: /ServiceMonitor\/reveille-gateway finds no port metrics/,
      plant: set("ServiceMonitor/reveille-gateway", ["spec", "endpoints", 0, "port"], "metrics"),
    },
    {
      what: "a policy that finds nobody",
      said: /NetworkPolicy\/reveille-gateway selects no pod/,
      plant: set(
        "NetworkPolicy/reveille-gateway",
        ["spec", "podSelector", "matchLabels", "app"],
        "reveille",
      ),
    },
  ],
  7: [
    {
      what: "a budget with both bounds",
      said: /either/,
      plant: set("PodDisruptionBudget/reveille-gateway", ["spec", "minAvailable"], 1),
    },
    {
      what: "a budget that keeps as many as there are",
      said: /blocks every eviction/,
      plant: (rendering, facts) => [
        changed(rendering, "PodDisruptionBudget/reveille-gateway", (object) => {
          const spec = inside(object, ["spec"]);
          delete spec["maxUnavailable"];
          spec["minAvailable"] = 3;
        }),
        facts,
      ],
    },
  ],
  8: [
    {
      what: "a Deployment without a budget",
      said: /has 0 disruption budgets/,
      plant: without("PodDisruptionBudget/reveille-runner"),
    },
  ],
  9: [
    {
      what: "a scaler of something that is not there",
      said: /no Deployment\/reveille-runer to scale/,
      plant: set(scaler, ["spec", "scaleTargetRef", "name"], "reveille-runer"),
    },
    {
      what: "two scalers for one Deployment",
      said: /two scalers/,
      plant: set(
        "HorizontalPodAutoscaler/reveille-gateway",
        ["spec", "scaleTargetRef", "name"],
        "reveille-runner",
      ),
    },
  ],
  10: [
    {
      what: "replicas beside a scaler",
      said: /scaler and replicas/,
      plant: set(runner, ["spec", "replicas"], 1),
    },
  ],
};
