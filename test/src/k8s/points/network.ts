// Points 23 to 25: who may speak to whom. A policy allows; a connection is possible when both ends have one that does.
import { at, isFields, listAt, textAt, type Fields } from "../look.js";
import type { Point } from "../point.js";
import { ofKind, titleOf, type Rendering } from "../rendering.js";
import { podLabels, selects, workloadsOf, type Workload } from "../workloads.js";

type Direction = "Ingress" | "Egress";
const monitorPort = "8222";
/** Namespaces of those who scrape. */
const scrapers = new Set(["keda", "monitoring"]);

const rulesOf = (policy: Fields, direction: Direction): unknown[] =>
  listAt(policy, "spec", "policyTypes").includes(direction)
    ? listAt(policy, "spec", direction.toLowerCase())
    : [];

/** Rules of policies that hold for the pod. */
const rulesFor = (rendering: Rendering, workload: Workload, direction: Direction): unknown[] =>
  ofKind(rendering, "NetworkPolicy")
    .filter((policy) => selects(at(policy, "spec", "podSelector"), podLabels(workload)))
    .flatMap((policy) => rulesOf(policy, direction));

/** `protocol/port`, by number or by the name of the container's port; no list: every port. */
const opens = (rule: unknown, protocol: string, ports: readonly string[]): boolean => {
  const listed = listAt(rule, "ports");
  return (
    listed.length === 0 ||
    listed.some(
      (one) =>
        (textAt(one, "protocol") ?? "TCP") === protocol &&
        (at(one, "port") === undefined || ports.includes(textAt(one, "port") ?? "")),
    )
  );
};
const allows = (rules: readonly unknown[], protocol: string, ...ports: string[]): boolean =>
  rules.some((rule) => opens(rule, protocol, ports));

interface Need {
  what: string;
  components: readonly string[];
  direction: Direction;
  protocol: string;
  ports: string[];
}
const all = ["gateway", "agent-actor", "runner", "migrate", "topology", "admin"];
const needs: readonly Need[] = [
  { what: "DNS", components: all, direction: "Egress", protocol: "UDP", ports: ["53"] },
  { what: "DNS over TCP", components: all, direction: "Egress", protocol: "TCP", ports: ["53"] },
  {
    what: "NATS",
    components: ["gateway", "agent-actor", "runner", "topology"],
    direction: "Egress",
    protocol: "TCP",
    ports: ["4222"],
  },
  {
    what: "Postgres",
    components: ["gateway", "agent-actor", "migrate", "topology", "admin"],
    direction: "Egress",
    protocol: "TCP",
    ports: ["5432"],
  },
  {
    what: "callers",
    components: ["gateway"],
    direction: "Ingress",
    protocol: "TCP",
    ports: ["http", "3100"],
  },
];

function needFaults(rendering: Rendering, workload: Workload): string[] {
  const { component, title } = workload;
  const unmet = needs
    .filter(({ components }) => component !== undefined && components.includes(component))
    .filter(
      ({ direction, protocol, ports }) =>
        !allows(rulesFor(rendering, workload, direction), protocol, ...ports),
    )
    .map(({ what, direction }) =>
      direction === "Egress"
        ? `${title} cannot reach ${what}`
        : `${title} cannot be reached by ${what}`,
    );
  if (component !== "runner") return unmet;
  return allows(rulesFor(rendering, workload, "Egress"), "TCP", "5432")
    ? [...unmet, `${title} can reach Postgres`]
    : unmet;
}

/** Does a rule let this pod of the same namespace in? */
const admits = (rule: unknown, client: Workload): boolean => {
  const peers = listAt(rule, "from");
  return (
    peers.length === 0 ||
    peers.some((peer) => {
      const pods = at(peer, "podSelector");
      return pods !== undefined && selects(pods, podLabels(client));
    })
  );
};

/** Servers among what is rendered: each of their clients has to be let in on their side too. */
function admissionFaults(rendering: Rendering, client: Workload): string[] {
  const { component, title } = client;
  const servers = workloadsOf(rendering).flatMap((server) =>
    server.containers.flatMap((container) =>
      listAt(container, "ports").map((port) => ({
        server,
        port: textAt(port, "containerPort") ?? "",
        name: textAt(port, "name") ?? "",
      })),
    ),
  );
  return needs
    .filter(
      ({ components, direction }) => direction === "Egress" && components.includes(component ?? ""),
    )
    .flatMap(({ ports }) => servers.filter(({ port }) => ports.includes(port)))
    .filter(
      ({ server, port, name }) =>
        !rulesFor(rendering, server, "Ingress").some(
          (rule) => opens(rule, "TCP", [port, name]) && admits(rule, client),
        ),
    )
    .map(({ server, port }) => `${server.title} does not let ${title} in on ${port}`);
}

/** Who a rule lets in: namespaces by name; null: others too. */
function namespacesOf(rule: unknown): (string | undefined)[] | null {
  const peers = listAt(rule, "from");
  if (peers.length === 0) return null;
  return peers.flatMap((peer) => {
    const one = textAt(peer, "namespaceSelector", "matchLabels", "kubernetes.io/metadata.name");
    if (one !== undefined) return [one];
    const expression = listAt(peer, "namespaceSelector", "matchExpressions").find(
      (candidate) => textAt(candidate, "key") === "kubernetes.io/metadata.name",
    );
    const values = listAt(expression, "values").map(String);
    return values.length > 0 ? values : [undefined];
  });
}

function monitorFaults(policy: Fields): string[] {
  return rulesOf(policy, "Ingress")
    .filter((rule) => opens(rule, "TCP", [monitorPort, "monitor"]))
    .filter((rule) => {
      const namespaces = namespacesOf(rule);
      return !namespaces?.every((name) => name !== undefined && scrapers.has(name));
    })
    .map(
      () =>
        `${titleOf(policy)} lets others than ${[...scrapers].join(" and ")} reach ${monitorPort}`,
    );
}

export const networkPoints: readonly Point[] = [
  {
    number: 23,
    title: "without a policy that allows it nothing speaks to anything",
    check: (rendering) => {
      const denied = (direction: Direction): boolean =>
        ofKind(rendering, "NetworkPolicy").some((policy) => {
          const selector = at(policy, "spec", "podSelector");
          return (
            isFields(selector) &&
            Object.keys(selector).length === 0 &&
            listAt(policy, "spec", "policyTypes").includes(direction) &&
            rulesOf(policy, direction).length === 0
          );
        });
      return (["Ingress", "Egress"] as const)
        .filter((direction) => !denied(direction))
        .map((direction) => `${direction} is not denied by default`);
    },
  },
  {
    number: 24,
    title: "each may reach what it needs, and a runner no database",
    check: (rendering) =>
      workloadsOf(rendering).flatMap((one) => [
        ...needFaults(rendering, one),
        ...admissionFaults(rendering, one),
      ]),
  },
  {
    number: 25,
    title: "the monitoring port of NATS is for scrapers alone",
    check: (rendering) => {
      const servers = workloadsOf(rendering).filter((workload) =>
        workload.containers.some((container) =>
          listAt(container, "ports").some((port) => textAt(port, "containerPort") === monitorPort),
        ),
      );
      return servers.flatMap((workload) => {
        const policies = ofKind(rendering, "NetworkPolicy").filter((policy) =>
          selects(at(policy, "spec", "podSelector"), podLabels(workload)),
        );
        return policies.flatMap(monitorFaults);
      });
    },
  },
];
