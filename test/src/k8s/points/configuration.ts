// Points 26 and 27: what programs are told. Each variable is one that the code reads, all of them together are an environment with which
// it starts, and what a manifest refers to is there or documented.
import type { Environment, Facts } from "../facts.js";
import { isFields, listAt, textAt, type Fields } from "../look.js";
import type { Point } from "../point.js";
import { kindOf, nameOf, ofKind, titleOf, type Rendering } from "../rendering.js";
import { environmentOf, plainValue, workloadsOf, type Workload } from "../workloads.js";

/** Read by Node and the system, not by our configuration. */
const ofThePlatform = /^(NODE_OPTIONS|TZ)$/;

/** Values in place of what only a cluster has, such that the code takes them. */
const samples: Readonly<Record<string, string>> = {
  DATABASE_URL: "postgres://reveille:of-a-check@postgres:5432/reveille",
};

/** The container's environment with samples for secrets; without paths of key files, which are not on this machine. */
export function readableEnvironment(rendering: Rendering, container: Fields): Environment {
  const entries = [...environmentOf(rendering, container)]
    .filter(([name]) => !/^REVEILLE_(SECRETS|RUN)_.*_FILE$/.test(name))
    .map(([name, variable]) => [
      name,
      variable.kind === "value" ? variable.value : (samples[name] ?? "of-a-check"),
    ]);
  return Object.fromEntries(entries) as Environment;
}

function environmentFaults(rendering: Rendering, facts: Facts, workload: Workload): string[] {
  const program = facts.programs[workload.component ?? ""];
  if (!program)
    return workload.component ? [`${workload.title}: no program ${workload.component}`] : [];
  return workload.containers.flatMap((container) => {
    const names = [...environmentOf(rendering, container).keys()];
    const unknown = names
      .filter((name) => !program.variables.has(name) && !ofThePlatform.test(name))
      .map((name) => `${workload.title} sets ${name}, which ${workload.component} does not read`);
    const args = workload.component === "runner" ? listAt(container, "args").map(String) : [];
    try {
      program.read(readableEnvironment(rendering, container), args);
      return unknown;
    } catch (error) {
      return [...unknown, `${workload.title} would not start: ${(error as Error).message}`];
    }
  });
}

/** The secret with the identity that the variable is about; undefined: it is about none. */
function natsSecret(
  rendering: Rendering,
  facts: Facts,
  { component = "" }: Workload,
  container: Fields,
  variable: string,
): string | undefined {
  if (variable.startsWith("REVEILLE_KEEPER_NATS_")) return `reveille-nats-${facts.keeperUser}`;
  if (!variable.startsWith("NATS_")) return undefined;
  const pool = plainValue(environmentOf(rendering, container), "REVEILLE_RUNNER_POOL") ?? "default";
  return `reveille-nats-${facts.natsUserOf(component, pool)}`;
}

/** Variables that name a file: it has to be in a volume, under a key that the secret is documented to have. */
function fileFaults(rendering: Rendering, facts: Facts, workload: Workload): string[] {
  return workload.containers.flatMap((container) =>
    [...environmentOf(rendering, container)].flatMap(([name, variable]) => {
      if (!name.endsWith("_FILE") || variable.kind !== "value") return [];
      const mount = listAt(container, "volumeMounts").find((one) =>
        variable.value.startsWith(`${textAt(one, "mountPath")}/`),
      );
      const volume = listAt(workload.pod, "volumes").find(
        (one) => textAt(one, "name") === textAt(mount, "name"),
      );
      const secret = textAt(volume, "secret", "secretName") ?? "";
      const key = variable.value.slice((textAt(mount, "mountPath") ?? "").length + 1);
      const unknown = facts.secrets.get(secret)?.has(key)
        ? []
        : [
            `${workload.title}: ${name} is ${variable.value}, and no documented secret has that file`,
          ];
      const wanted = natsSecret(rendering, facts, workload, container, name);
      return wanted === undefined || wanted === secret
        ? unknown
        : [...unknown, `${workload.title}: ${name} is in ${secret}, the identity is in ${wanted}`];
    }),
  );
}

/** Every name of a Secret or ConfigMap below a value, with the key that is asked for. */
function references(
  value: unknown,
): { kind: "Secret" | "ConfigMap"; name: string; key?: string }[] {
  if (Array.isArray(value)) return value.flatMap(references);
  if (!isFields(value)) return [];
  return Object.entries(value).flatMap(([field, inner]) => {
    const key = textAt(inner, "key");
    const withKey = key === undefined ? {} : { key };
    switch (field) {
      case "secretKeyRef":
      case "secretRef":
        return [{ kind: "Secret" as const, name: textAt(inner, "name") ?? "", ...withKey }];
      case "configMapKeyRef":
      case "configMapRef":
      case "configMap":
        return [{ kind: "ConfigMap" as const, name: textAt(inner, "name") ?? "", ...withKey }];
      case "secret":
      case "tls":
        return (field === "tls" ? listAt(value, "tls") : [inner]).map((one) => ({
          kind: "Secret" as const,
          name: textAt(one, "secretName") ?? "",
        }));
      default:
        return references(inner);
    }
  });
}

function referenceFaults(rendering: Rendering, facts: Facts, object: Fields): string[] {
  const maps = new Set(ofKind(rendering, "ConfigMap").map(nameOf));
  return references(object).flatMap(({ kind, name, key }) => {
    if (kind === "ConfigMap")
      return maps.has(name)
        ? []
        : [`${titleOf(object)} reads the ConfigMap ${name}, which is not there`];
    const keys = facts.secrets.get(name);
    if (!keys) return [`${titleOf(object)} reads the Secret ${name}, which is not documented`];
    if (key === undefined || keys.has(key)) return [];
    return [`${titleOf(object)} reads ${key} of the Secret ${name}, which is not documented`];
  });
}

export const configurationPoints: readonly Point[] = [
  {
    number: 26,
    title: "each variable is one that the code reads, and with all of them it starts",
    check: (rendering, facts) =>
      workloadsOf(rendering).flatMap((workload) => [
        ...environmentFaults(rendering, facts, workload),
        ...fileFaults(rendering, facts, workload),
      ]),
  },
  {
    number: 27,
    title: "what is referred to is there or documented, and no secret is in the output",
    check: (rendering, facts) => [
      ...rendering.objects
        .filter((object) => kindOf(object) === "Secret")
        .map((object) => `${titleOf(object)} is in the output`),
      ...rendering.objects.flatMap((object) => referenceFaults(rendering, facts, object)),
    ],
  },
];
