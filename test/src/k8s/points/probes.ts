// Points 11 to 16: what runs, and how the kubelet asks whether it does.
import { fieldsAt, isFields, listAt, textAt } from "../look.js";
import type { Facts } from "../facts.js";
import type { Point } from "../point.js";
import type { Rendering } from "../rendering.js";
import { environmentOf, plainValue, servicesOf, workloadsOf, type Workload } from "../workloads.js";

const probeNames = ["startupProbe", "livenessProbe", "readinessProbe"] as const;

/** `registry/name` and tag or digest; a colon before a slash belongs to a port. */
function imageParts(image: string): { name: string; version: string | undefined } {
  const [name = "", digest] = image.split("@");
  if (digest !== undefined) return { name, version: digest };
  const colon = name.lastIndexOf(":");
  if (colon <= name.lastIndexOf("/")) return { name, version: undefined };
  return { name: name.slice(0, colon), version: name.slice(colon + 1) };
}

const serving = (rendering: Rendering): Workload[] =>
  workloadsOf(rendering).filter(({ serves }) => serves);

/** HTTP probes of our services: container, probe, path. */
const ourProbes = (rendering: Rendering) =>
  servicesOf(rendering).flatMap((workload) =>
    workload.containers.flatMap((container) =>
      probeNames.map((name) => ({
        workload,
        container,
        name,
        path: textAt(container, name, "httpGet", "path"),
        port: textAt(container, name, "httpGet", "port"),
      })),
    ),
  );

function portFaults(rendering: Rendering, facts: Facts, workload: Workload): string[] {
  const program = facts.programs[workload.component ?? ""];
  return workload.containers.flatMap((container) => {
    const env = environmentOf(rendering, container);
    return listAt(container, "ports").flatMap((port) => {
      const name = textAt(port, "name") ?? "";
      const wanted = program?.ports[name];
      if (!wanted) return [`${workload.title}: the code has no port ${name}`];
      const number = textAt(port, "containerPort");
      const said = plainValue(env, wanted.port);
      const host = plainValue(env, wanted.host);
      return [
        ...(said === number
          ? []
          : [`${workload.title}: ${name} is ${number}, ${wanted.port} ${said}`]),
        ...(host === "0.0.0.0" || host === "::"
          ? []
          : [`${workload.title}: ${wanted.host} is ${host}, where no probe reaches ${name}`]),
      ];
    });
  });
}

export const probePoints: readonly Point[] = [
  {
    number: 11,
    title: "images have one tag or digest, the same for all of ours, and it is not latest",
    check: (rendering) => {
      const images = workloadsOf(rendering).flatMap(({ title, containers, component }) =>
        containers.map((container) => ({
          title,
          ours: component !== undefined,
          ...imageParts(textAt(container, "image") ?? ""),
        })),
      );
      const versions = new Set(images.filter(({ ours }) => ours).map(({ version }) => version));
      return [
        ...images
          .filter(({ version }) => version === undefined || version === "latest")
          .map(({ title, name }) => `${title}: ${name} has no version`),
        ...(versions.size > 1
          ? [`our images are of several versions: ${[...versions].join(", ")}`]
          : []),
      ];
    },
  },
  {
    number: 12,
    title: "whatever serves has a startup, a liveness and a readiness probe",
    check: (rendering) =>
      serving(rendering).flatMap(({ title, containers }) =>
        containers.flatMap((container) =>
          probeNames
            .filter((name) => !isFields(container[name]))
            .map((name) => `${title} has no ${name}`),
        ),
      ),
  },
  {
    number: 13,
    title: "liveness and readiness are different questions, and liveness asks no server",
    check: (rendering, facts) =>
      servicesOf(rendering).flatMap(({ title, containers }) =>
        containers.flatMap((container) => {
          const live = textAt(container, "livenessProbe", "httpGet", "path");
          const ready = textAt(container, "readinessProbe", "httpGet", "path");
          return [
            ...(live === ready ? [`${title} asks ${live} for both`] : []),
            ...(live === facts.paths.live ? [] : [`${title}: liveness is ${live}`]),
            ...(ready === facts.paths.ready ? [] : [`${title}: readiness is ${ready}`]),
          ];
        }),
      ),
  },
  {
    number: 14,
    title: "probes name ports of their container, and the code listens there",
    check: (rendering, facts) => [
      ...serving(rendering).flatMap(({ title, containers }) =>
        containers.flatMap((container) => {
          const ports = listAt(container, "ports").map((port) => textAt(port, "name"));
          return probeNames.flatMap((name) => {
            const probe = fieldsAt(container, name);
            const asked = textAt(probe, "httpGet", "port") ?? textAt(probe, "tcpSocket", "port");
            if (asked === undefined || ports.includes(asked)) return [];
            return [`${title}: ${name} asks port ${asked}, which it does not name`];
          });
        }),
      ),
      ...servicesOf(rendering).flatMap((workload) => portFaults(rendering, facts, workload)),
    ],
  },
  {
    number: 15,
    title: "the paths of probes answer 200 on the built services",
    check: (rendering, facts) =>
      ourProbes(rendering).flatMap(({ workload, name, path = "" }) => {
        const known: readonly string[] = Object.values(facts.paths);
        if (!known.includes(path)) return [`${workload.title}: the code has no ${path} (${name})`];
        const behaviour = facts.behaviour[workload.component ?? ""];
        const status = behaviour?.statuses[path];
        if (!behaviour || status === 200) return [];
        return [`${workload.title}: ${path} (${name}) answers ${status ?? "nothing"}`];
      }),
  },
  {
    number: 16,
    title: "readiness says no within a second of SIGTERM",
    check: (rendering, facts) =>
      servicesOf(rendering).flatMap(({ title, component, containers }) => {
        const asked = containers.some(
          (container) =>
            textAt(container, "readinessProbe", "httpGet", "path") === facts.paths.ready,
        );
        const after = facts.behaviour[component ?? ""]?.unreadyAfterMs ?? 0;
        return [
          ...(asked ? [] : [`${title} is not asked whether it is ready`]),
          ...(after <= 1_000
            ? []
            : [`${title} said that it was ready for ${after} ms after SIGTERM`]),
        ];
      }),
  },
];
