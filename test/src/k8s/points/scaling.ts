// Points 28 and 29: what scales by what, and how pods are spread and replaced. KEDA's own admission checks none of the first.
import type { Facts } from "../facts.js";
import { at, fieldsAt, listAt, numberAt, textAt, type Fields } from "../look.js";
import type { Point } from "../point.js";
import { kindOf, nameOf, ofKind, titleOf, type Rendering } from "../rendering.js";
import { environmentOf, plainValue, servicesOf, workloadsOf, type Workload } from "../workloads.js";

interface PoolFacts {
  pool: string;
  slots: number;
}

function poolOf(rendering: Rendering, workload: Workload | undefined): PoolFacts | undefined {
  const [container] = workload?.containers ?? [];
  if (!container || workload?.component !== "runner") return undefined;
  const env = environmentOf(rendering, container);
  return {
    pool: plainValue(env, "REVEILLE_RUNNER_POOL") ?? "default",
    slots: Number(plainValue(env, "REVEILLE_RUNNER_SLOTS") ?? Number.NaN),
  };
}

/** What a scaler makes pods of: itself when it is a ScaledJob. */
function targetOf(rendering: Rendering, scaler: Fields): Workload | undefined {
  const name = textAt(scaler, "spec", "scaleTargetRef", "name");
  return workloadsOf(rendering).find(({ object }) =>
    kindOf(scaler) === "ScaledJob"
      ? object === scaler
      : kindOf(object) === "Deployment" && nameOf(object) === name,
  );
}

function natsFaults(trigger: Fields, pool: PoolFacts, most: number, facts: Facts): string[] {
  const metadata = fieldsAt(trigger, "metadata");
  const wanted: Readonly<Record<string, string>> = {
    stream: facts.execStream,
    consumer: facts.consumerOf(pool.pool),
    lagThreshold: String(pool.slots),
  };
  const endpoint = textAt(metadata, "natsServerMonitoringEndpoint") ?? "";
  return [
    ...Object.entries(wanted)
      .filter(([key, value]) => metadata[key] !== value)
      .map(([key, value]) => `${key} is ${String(metadata[key])}, the code says ${value}`),
    ...(/^[a-z0-9-]*headless\.[a-z0-9-]+\.svc\.[a-z.]+:8222$/.test(endpoint)
      ? []
      : [`${endpoint} is not the headless name of the servers, port 8222`]),
    ...(textAt(metadata, "account") ? [] : ["account is missing"]),
    ...(facts.ackPendingMax >= most * pool.slots
      ? []
      : [`the consumer hands out ${facts.ackPendingMax} at a time, ${most} pods have more slots`]),
  ];
}

function figureFaults(
  rendering: Rendering,
  trigger: Fields,
  pool: PoolFacts | undefined,
  facts: Facts,
): string[] {
  const metadata = fieldsAt(trigger, "metadata");
  const [, metric = "", label] =
    /^(\w+)(?:\{pool="([^"]+)"\})?$/.exec(textAt(metadata, "valueLocation") ?? "") ?? [];
  return [
    ...(facts.gatewayMetrics.has(metric)
      ? []
      : [`no gateway tells ${metric || "what it scales by"}`]),
    ...(metadata["format"] === "prometheus" ? [] : ["the format is prometheus"]),
    ...(pool?.pool === label ? [] : [`counts the pool ${label}`]),
    ...(pool === undefined || metadata["targetValue"] === String(pool.slots)
      ? []
      : [`targetValue is ${String(metadata["targetValue"])}, a pod has ${pool.slots} slots`]),
    ...urlFaults(rendering, textAt(metadata, "url") ?? "", facts),
  ];
}

/** The address is that of a Service of ours, by its whole name: the scaler is in another namespace. */
function urlFaults(rendering: Rendering, url: string, facts: Facts): string[] {
  const [, service, namespace, port, path] =
    /^http:\/\/([a-z0-9-]+)\.([a-z0-9-]+)\.svc\.cluster\.local:(\d+)(\/.*)$/.exec(url) ?? [];
  const found = ofKind(rendering, "Service").find((one) => nameOf(one) === service);
  const served = listAt(found, "spec", "ports").some((one) => textAt(one, "port") === port);
  if (
    served &&
    textAt(found, "metadata", "namespace") === namespace &&
    path === facts.paths.metrics
  )
    return [];
  return [`${url} is no address of the gateways' figures`];
}

/** Pools that the gateway and the keeper know. */
function knownPools(rendering: Rendering): { title: string; pools: string[] }[] {
  return workloadsOf(rendering)
    .filter(({ component }) => ["gateway", "agent-actor", "topology"].includes(component ?? ""))
    .flatMap(({ title, containers }) =>
      containers.map((container) => ({
        title,
        pools: (
          plainValue(environmentOf(rendering, container), "REVEILLE_RUNNER_POOLS") ?? "default"
        ).split(","),
      })),
    );
}

function kedaFaults(rendering: Rendering, scaler: Fields, facts: Facts): string[] {
  const workload = targetOf(rendering, scaler);
  const pool = poolOf(rendering, workload);
  const most = numberAt(scaler, "spec", "maxReplicaCount") ?? 100;
  const triggers = listAt(scaler, "spec", "triggers").map((one) => fieldsAt(one));
  const kinds = triggers.map((trigger) => textAt(trigger, "type"));
  const warm = kindOf(scaler) === "ScaledObject";
  return [
    ...triggers.flatMap((trigger) => [
      ...Object.entries(fieldsAt(trigger, "metadata"))
        .filter(([, value]) => typeof value !== "string")
        .map(([key]) => `${key} is not a string`),
      ...(textAt(trigger, "type") === "nats-jetstream" && pool
        ? natsFaults(trigger, pool, most, facts)
        : []),
      ...(textAt(trigger, "type") === "metrics-api"
        ? figureFaults(rendering, trigger, pool, facts)
        : []),
    ]),
    // The consumer forgets a run at its go: by its lag alone, pods would end under the runs that they have.
    ...(pool && warm && !kinds.includes("metrics-api")
      ? ["does not count the runs that live"]
      : []),
    ...(pool && !kinds.includes("nats-jetstream") ? ["does not look at what waits"] : []),
    ...(warm && numberAt(scaler, "spec", "fallback", "replicas") === undefined
      ? ["has no fallback"]
      : []),
    ...(workload?.component === "agent-actor" && most > facts.partitions
      ? [`${most} hosts, and ${facts.partitions} partitions`]
      : []),
  ];
}

function externalFaults(rendering: Rendering, scaler: Fields, facts: Facts): string[] {
  const pool = poolOf(rendering, targetOf(rendering, scaler));
  return listAt(scaler, "spec", "metrics")
    .map((one) => fieldsAt(one, "external"))
    .filter((external) => Object.keys(external).length > 0)
    .flatMap((external) => {
      const metric = textAt(external, "metric", "name") ?? "";
      const label = textAt(external, "metric", "selector", "matchLabels", "pool");
      const target = textAt(external, "target", "averageValue");
      return [
        ...(facts.gatewayMetrics.has(metric) ? [] : [`no gateway tells ${metric}`]),
        ...(label === pool?.pool ? [] : [`counts the pool ${label}`]),
        ...(!pool || target === String(pool.slots)
          ? []
          : [`averageValue is ${target}, a pod has ${pool.slots} slots`]),
        ...((numberAt(scaler, "spec", "minReplicas") ?? 1) >= 1 ? [] : ["cannot scale to zero"]),
      ];
    });
}

const titled = (object: Fields, faults: readonly string[]): string[] =>
  faults.map((fault) => `${titleOf(object)}: ${fault}`);

export const scalingPoints: readonly Point[] = [
  {
    number: 28,
    title: "scalers name what the code has: streams, consumers, figures, slots, pools",
    check: (rendering, facts) => {
      const pools = servicesOf(rendering).map((workload) => poolOf(rendering, workload)?.pool);
      return [
        ...ofKind(rendering, "ScaledObject", "ScaledJob").flatMap((scaler) =>
          titled(scaler, kedaFaults(rendering, scaler, facts)),
        ),
        ...ofKind(rendering, "HorizontalPodAutoscaler").flatMap((scaler) =>
          titled(scaler, externalFaults(rendering, scaler, facts)),
        ),
        ...knownPools(rendering).flatMap(({ title, pools: known }) =>
          pools
            .filter((pool) => pool !== undefined && !known.includes(pool))
            .map((pool) => `${title} does not know the pool ${pool}`),
        ),
      ];
    },
  },
  {
    number: 29,
    title: "pods of one release are spread, and none goes before its successor is ready",
    check: (rendering) =>
      servicesOf(rendering)
        .filter(({ object }) => kindOf(object) === "Deployment")
        .flatMap(({ object, pod }) => {
          const spreads = listAt(pod, "topologySpreadConstraints");
          const blind = spreads.filter(
            (one) => !listAt(one, "matchLabelKeys").includes("pod-template-hash"),
          );
          const least = at(object, "spec", "strategy", "rollingUpdate", "maxUnavailable");
          return titled(object, [
            ...(spreads.length === 0 ? ["is not spread"] : []),
            ...blind.map(() => "is spread over all releases together"),
            ...(least === 0 ? [] : ["may be short of pods during a rollout"]),
          ]);
        }),
  },
];
