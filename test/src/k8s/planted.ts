// Owns a fault for each point: a small change of what was rendered, or of what the code says. Knows no rule.
import type { Facts } from "./facts.js";
import type { Fields } from "./look.js";
import { titleOf, type Rendering } from "./rendering.js";

type Json = Record<string, unknown>;
interface Plan {
  /** What the fault is, in words. */
  readonly what: string;
  /** What the check is expected to say. */
  readonly said: RegExp;
  readonly plant: (rendering: Rendering, facts: Facts) => [Rendering, Facts];
}

/** Follows a path of keys; the object at its end. @throws Error when the fault cannot be planted there. */
function inside(value: unknown, path: readonly (string | number)[]): Json {
  let here = value;
  for (const step of path) here = (here as Json | undefined)?.[step];
  if (typeof here !== "object" || here === null) throw new Error(`nothing at ${path.join(".")}`);
  return here as Json;
}

/** The rendering with one object changed. @throws Error when it is not there. */
function changed(rendering: Rendering, title: string, change: (object: Json) => void): Rendering {
  if (!rendering.objects.some((object) => titleOf(object) === title))
    throw new Error(`${rendering.name} has no ${title}`);
  const objects = rendering.objects.map((object) => {
    if (titleOf(object) !== title) return object;
    const copy = structuredClone(object) as Json;
    change(copy);
    return copy;
  });
  return { ...rendering, objects };
}
/** Sets (or, with undefined, removes) what is at the path of one object. */
const set =
  (title: string, path: readonly (string | number)[], value: unknown): Plan["plant"] =>
  (rendering, facts) => {
    const last = path.at(-1) ?? "";
    const plant = (object: Json): void => {
      const parent = inside(object, path.slice(0, -1));
      if (value === undefined) delete parent[last];
      else parent[last] = value;
    };
    return [changed(rendering, title, plant), facts];
  };
const add =
  (object: Fields): Plan["plant"] =>
  (rendering, facts) => [{ ...rendering, objects: [...rendering.objects, object] }, facts];
const without =
  (title: string): Plan["plant"] =>
  (rendering, facts) => [
    { ...rendering, objects: rendering.objects.filter((object) => titleOf(object) !== title) },
    facts,
  ];
const withFacts =
  (change: (facts: Facts) => Partial<Facts>): Plan["plant"] =>
  (rendering, facts) => [rendering, { ...facts, ...change(facts) }];
const dataOf =
  (prefix: string, name: string, value: string): Plan["plant"] =>
  (rendering, facts) => {
    const map = rendering.objects.find((object) =>
      titleOf(object).startsWith(`ConfigMap/${prefix}-`),
    );
    if (!map) throw new Error(`${rendering.name} has no ConfigMap ${prefix}`);
    return set(titleOf(map), ["data", name], value)(rendering, facts);
  };

const gateway = "Deployment/reveille-gateway";
const runner = "Deployment/reveille-runner";
const scaler = "ScaledObject/reveille-runner";
const pod = ["spec", "template", "spec"];
const container = [...pod, "containers", 0];
const secret = {
  apiVersion: "v1",
  kind: "Secret",
  metadata: { name: "reveille-db", namespace: "reveille" },
  stringData: { DATABASE_URL: "postgres://" },
};

/** By point, of the overlay `production` or the one that is named. */
export const planted: Readonly<Record<number, readonly (Plan & { of?: string })[]>> = {
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
  11: [
    {
      what: "an image of nobody knows which version",
      said: /has no version/,
      plant: set(
        runner,
        [...container, "image"],
        "registry.example.com:5000/reveille-runner:latest",
      ),
    },
    {
      what: "one image of another release",
      said: /several versions/,
      plant: set(runner, [...container, "image"], "registry.example.com/reveille-runner:0.0.9"),
    },
  ],
  12: [
    {
      what: "no startup probe",
      said: /no startupProbe/,
      plant: set(runner, [...container, "startupProbe"], undefined),
    },
  ],
  13: [
    {
      what: "liveness that asks for readiness",
      said: /for both/,
      plant: set(gateway, [...container, "livenessProbe", "httpGet", "path"], "/readyz"),
    },
  ],
  14: [
    {
      what: "a probe of a port by number",
      said: /does not name/,
      plant: set(gateway, [...container, "readinessProbe", "httpGet", "port"], 9464),
    },
    {
      what: "a port on which the service does not listen",
      said: /http is 3001/,
      plant: set(gateway, [...container, "ports", 0, "containerPort"], 3001),
    },
    {
      what: "probes of a service that listens on loopback",
      said: /where no probe reaches/,
      plant: dataOf("reveille-common", "REVEILLE_HEALTH_HOST", "127.0.0.1"),
    },
  ],
  15: [
    {
      what: "a path that the code does not have",
      said: /the code has no \/healthz/,
      plant: set(runner, [...container, "startupProbe", "httpGet", "path"], "/healthz"),
    },
    {
      what: "a service that answers something else",
      said: /answers 503/,
      plant: withFacts(({ behaviour }) => ({
        behaviour: {
          ...behaviour,
          runner: { statuses: { "/livez": 200, "/readyz": 503 }, unreadyAfterMs: 10 },
        },
      })),
    },
  ],
  16: [
    {
      what: "a service that is ready for as long as it lives",
      said: /for 4000 ms after SIGTERM/,
      plant: withFacts(({ behaviour }) => ({
        behaviour: {
          ...behaviour,
          gateway: { statuses: { "/livez": 200, "/readyz": 200 }, unreadyAfterMs: 4_000 },
        },
      })),
    },
  ],
  17: [
    {
      what: "a grace that is shorter than the drain",
      said: /needs \d+ s to end and has 60/,
      plant: set(runner, [...pod, "terminationGracePeriodSeconds"], 60),
    },
    {
      what: "a sleep that eats the grace",
      said: /needs \d+ s to end and has 45/,
      plant: set(
        gateway,
        [...container, "lifecycle", "preStop", "exec", "command"],
        ["sleep", "40"],
      ),
    },
  ],
  18: [
    {
      what: "a drain that somebody raised without the manifest",
      said: /the code drains 7200 s/,
      plant: dataOf("reveille-runner", "REVEILLE_RUNNER_DRAIN_MS", "7200000"),
    },
  ],
  19: [
    {
      what: "a container that may write to its image",
      said: /may write to its image/,
      plant: set(runner, [...container, "securityContext", "readOnlyRootFilesystem"], false),
    },
    {
      what: "a volume without a limit",
      said: /has no limit/,
      plant: set(gateway, [...pod, "volumes", 0], { name: "tmp", emptyDir: {} }),
    },
  ],
  20: [
    {
      what: "a token of the cluster where agents are",
      said: /has a token/,
      plant: set(runner, [...pod, "automountServiceAccountToken"], true),
    },
    {
      what: "two services with one account",
      said: /shares the account/,
      plant: set(runner, [...pod, "serviceAccountName"], "reveille-gateway"),
    },
  ],
  21: [
    {
      what: "a runner that may take memory which it did not ask for",
      said: /more memory than it asks for/,
      plant: set(runner, [...container, "resources", "requests", "memory"], "1Gi"),
    },
    {
      what: "no limit of memory",
      said: /no limit of memory/,
      plant: set(gateway, [...container, "resources", "limits"], {}),
    },
  ],
  22: [
    {
      what: "a namespace that only warns",
      said: /does not enforce/,
      plant: set(
        "Namespace/reveille",
        ["metadata", "labels", "pod-security.kubernetes.io/enforce"],
        "baseline",
      ),
    },
  ],
  23: [
    {
      what: "no denial by default",
      said: /Egress is not denied/,
      plant: set("NetworkPolicy/reveille-default-deny", ["spec", "policyTypes"], ["Ingress"]),
    },
  ],
  24: [
    {
      what: "a runner that reaches the database",
      said: /Deployment\/reveille-runner can reach Postgres/,
      plant: set("NetworkPolicy/reveille-postgres", ["spec", "podSelector"], {
        matchLabels: { "app.kubernetes.io/part-of": "reveille" },
      }),
    },
    {
      what: "DNS over UDP alone",
      said: /cannot reach DNS over TCP/,
      plant: set(
        "NetworkPolicy/reveille-dns",
        ["spec", "egress", 0, "ports"],
        [{ protocol: "UDP", port: 53 }],
      ),
    },
    {
      what: "nobody reaches NATS",
      said: /cannot reach NATS/,
      plant: without("NetworkPolicy/reveille-nats"),
    },
  ],
  25: [
    {
      what: "the monitoring port for everybody in the namespace",
      said: /lets others/,
      of: "dev",
      plant: set("NetworkPolicy/nats", ["spec", "ingress", 1, "from"], [{ podSelector: {} }]),
    },
  ],
  26: [
    {
      what: "a variable that nobody reads",
      said: /REVEILLE_RUNNER_SLOT, which runner does not read/,
      plant: dataOf("reveille-runner", "REVEILLE_RUNNER_SLOT", "8"),
    },
    {
      what: "a required one that is missing",
      said: /DATABASE_URL: is not set/,
      plant: set("Job/reveille-migrate", [...container, "env"], []),
    },
    {
      what: "a value with which the service does not start",
      said: /REVEILLE_DEPLOYMENT_MODE=authenticated listens on others/,
      plant: dataOf("reveille-gateway", "REVEILLE_DEPLOYMENT_MODE", "local_trusted"),
    },
    {
      what: "a file that no secret has",
      said: /no documented secret has that file/,
      plant: dataOf("reveille-nats-identity", "NATS_CREDS_FILE", "/etc/reveille/nats/user.creds"),
    },
  ],
  27: [
    { what: "a secret in the output", said: /is in the output/, plant: add(secret) },
    {
      what: "a secret that nobody was told to make",
      said: /Secret reveille-database, which is not documented/,
      plant: set(
        gateway,
        [...container, "env", 0, "valueFrom", "secretKeyRef", "name"],
        "reveille-database",
      ),
    },
  ],
  28: [
    {
      what: "a consumer of another name",
      said: /consumer is exec-default, the code says exec_default/,
      plant: set(scaler, ["spec", "triggers", 0, "metadata", "consumer"], "exec-default"),
    },
    {
      what: "one server of several",
      said: /not the headless name/,
      plant: set(
        scaler,
        ["spec", "triggers", 0, "metadata", "natsServerMonitoringEndpoint"],
        "nats.nats.svc.cluster.local:8222",
      ),
    },
    {
      what: "a threshold that is a number",
      said: /lagThreshold is not a string/,
      plant: set(scaler, ["spec", "triggers", 0, "metadata", "lagThreshold"], 8),
    },
    {
      what: "a pool that is scaled by its lag alone",
      said: /does not count the runs that live/,
      plant: (rendering, facts) => [
        changed(rendering, scaler, (object) => {
          const spec = inside(object, ["spec"]);
          spec["triggers"] = (spec["triggers"] as unknown[]).slice(0, 1);
        }),
        facts,
      ],
    },
    {
      what: "a figure that no gateway tells",
      said: /no gateway tells reveille_pool_need/,
      plant: set(
        scaler,
        ["spec", "triggers", 1, "metadata", "valueLocation"],
        'reveille_pool_need{pool="default"}',
      ),
    },
    {
      what: "more slots than the consumer hands out",
      said: /have more slots/,
      plant: set(scaler, ["spec", "maxReplicaCount"], 5_000),
    },
    {
      what: "a pool that the gateway does not know",
      said: /does not know the pool gpu/,
      plant: dataOf("reveille-pools", "REVEILLE_RUNNER_POOLS", "default"),
    },
  ],
  29: [
    {
      what: "a spread over all releases",
      said: /over all releases/,
      plant: set(gateway, [...pod, "topologySpreadConstraints", 0, "matchLabelKeys"], undefined),
    },
    {
      what: "a rollout that begins with an end",
      said: /short of pods/,
      plant: set(gateway, ["spec", "strategy", "rollingUpdate", "maxUnavailable"], 1),
    },
  ],
  30: [
    {
      what: "a Job that stays",
      said: /stays/,
      plant: set("Job/reveille-migrate", ["spec", "ttlSecondsAfterFinished"], undefined),
    },
    {
      what: "a service that works on an older schema",
      said: /gateway starts on an older schema/,
      plant: withFacts(() => ({ refusesOldSchema: { gateway: false } })),
    },
  ],
};
