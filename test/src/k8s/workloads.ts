// Owns what makes pods: which objects do, with which template, for which of our services. Knows no rule.
import { at, fieldsAt, isFields, listAt, textAt, type Fields } from "./look.js";
import { kindOf, labelsOf, ofKind, titleOf, type Rendering } from "./rendering.js";

const templatePaths: Readonly<Record<string, readonly string[]>> = {
  Deployment: ["spec", "template"],
  StatefulSet: ["spec", "template"],
  Job: ["spec", "template"],
  // Its own template.
  Pod: [],
  ScaledJob: ["spec", "jobTargetRef", "template"],
};

export interface Workload {
  readonly title: string;
  readonly object: Fields;
  readonly template: Fields;
  readonly pod: Fields;
  readonly containers: readonly Fields[];
  /** `gateway`, `agent-actor`, `runner`, `migrate`, `topology`, `admin`; undefined for what is not ours (NATS, Postgres). */
  readonly component: string | undefined;
  /** True for what serves until it is told to end: neither Jobs nor the pod for people. */
  readonly serves: boolean;
}

export function workloadsOf(rendering: Rendering): Workload[] {
  return ofKind(rendering, ...Object.keys(templatePaths)).map((object) => {
    const template = fieldsAt(object, ...(templatePaths[kindOf(object)] ?? []));
    const pod = fieldsAt(template, "spec");
    return {
      title: titleOf(object),
      object,
      template,
      pod,
      containers: listAt(pod, "containers").filter(isFields),
      component: textAt(template, "metadata", "labels", "app.kubernetes.io/component"),
      serves: !["Job", "Pod"].includes(kindOf(object)),
    };
  });
}
/** Ours that serve: gateways, actor hosts, runners. */
export const servicesOf = (rendering: Rendering): Workload[] =>
  workloadsOf(rendering).filter(({ component, serves }) => serves && component !== undefined);

export const podLabels = ({ template }: Workload): Fields => labelsOf(template);

/** Does a label selector (or a Service's plain map) match these labels? Nothing in it matches everything. */
export function selects(selector: unknown, labels: Fields): boolean {
  const plain = at(selector, "matchLabels") ?? at(selector, "matchExpressions");
  const wanted = plain === undefined ? fieldsAt(selector) : fieldsAt(selector, "matchLabels");
  const equal = Object.entries(wanted).every(([key, value]) => labels[key] === value);
  return equal && listAt(selector, "matchExpressions").every((one) => expressed(one, labels));
}

function expressed(expression: unknown, labels: Fields): boolean {
  const value = labels[textAt(expression, "key") ?? ""];
  const values = listAt(expression, "values");
  switch (textAt(expression, "operator") ?? "") {
    case "In":
      return values.includes(value);
    case "NotIn":
      return !values.includes(value);
    case "Exists":
      return value !== undefined;
    case "DoesNotExist":
      return value === undefined;
    default:
      return false;
  }
}

/** A container's variables, ConfigMaps read in; secrets and fields of the pod are told by where they come from. */
export type Variable =
  | { kind: "value"; value: string }
  | { kind: "secret"; secret: string; key: string }
  | { kind: "field" };

export function environmentOf(rendering: Rendering, container: Fields): Map<string, Variable> {
  const variables = new Map<string, Variable>();
  for (const source of listAt(container, "envFrom")) {
    const name = textAt(source, "configMapRef", "name");
    const map = ofKind(rendering, "ConfigMap").find(
      (object) => textAt(object, "metadata", "name") === name,
    );
    for (const [key, value] of Object.entries(fieldsAt(map, "data")))
      variables.set(key, { kind: "value", value: String(value) });
  }
  for (const one of listAt(container, "env")) {
    const key = textAt(one, "name") ?? "";
    const secret = at(one, "valueFrom", "secretKeyRef");
    const value = textAt(one, "value");
    if (value !== undefined) variables.set(key, { kind: "value", value });
    else if (secret)
      variables.set(key, {
        kind: "secret",
        secret: textAt(secret, "name") ?? "",
        key: textAt(secret, "key") ?? "",
      });
    else variables.set(key, { kind: "field" });
  }
  return variables;
}
export const plainValue = (
  variables: ReadonlyMap<string, Variable>,
  name: string,
): string | undefined => {
  const variable = variables.get(name);
  return variable?.kind === "value" ? variable.value : undefined;
};
