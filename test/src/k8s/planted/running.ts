// Faults of points 11 to 21: what runs, how it is asked, how it ends, what it may do.
import { container, dataOf, gateway, pod, runner, set, withFacts, type Faults } from "./plant.js";

export const runningFaults: Faults = {
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
};
