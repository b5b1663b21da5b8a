// Faults of points 22 to 30: networks, configuration, scaling, releases.
import {
  add,
  changed,
  container,
  dataOf,
  gateway,
  inside,
  pod,
  runner,
  scaler,
  set,
  withFacts,
  without,
  type Faults,
} from "./plant.js";

const secret = {
  apiVersion: "v1",
  kind: "Secret",
  metadata: { name: "reveille-db", namespace: "reveille" },
  stringData: { DATABASE_URL: "postgres://" },
};

export const surroundingsFaults: Faults = {
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
      what: "a server that lets no runner in",
      said: /StatefulSet\/nats does not let Deployment\/reveille-runner in on 4222/,
      of: "dev",
      plant: set("NetworkPolicy/nats", ["spec", "ingress", 0, "from", 0, "podSelector"], {
        matchLabels: { "app.kubernetes.io/component": "gateway" },
      }),
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
      what: "a runner with the gateway's credentials",
      said: /is in reveille-nats-gateway, the identity is in reveille-nats-runner-default/,
      plant: set(runner, [...pod, "volumes", 2, "secret", "secretName"], "reveille-nats-gateway"),
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
