// Owns the schemas of Kubernetes objects, and how a field that none of them knows is found. The schemas themselves let unknown fields
// pass; so the object is given to them through a proxy that notes what they read, and what they never asked for they do not know.
import { ScaledJob } from "@kubernetes-models/keda/keda.sh/v1alpha1/ScaledJob";
import { ScaledObject } from "@kubernetes-models/keda/keda.sh/v1alpha1/ScaledObject";
import { PodMonitor } from "@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1/PodMonitor";
import { PrometheusRule } from "@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1/PrometheusRule";
import { ServiceMonitor } from "@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1/ServiceMonitor";
import { Deployment } from "kubernetes-models/apps/v1/Deployment";
import { StatefulSet } from "kubernetes-models/apps/v1/StatefulSet";
import { HorizontalPodAutoscaler } from "kubernetes-models/autoscaling/v2/HorizontalPodAutoscaler";
import { Job } from "kubernetes-models/batch/v1/Job";
import { Ingress } from "kubernetes-models/networking.k8s.io/v1/Ingress";
import { NetworkPolicy } from "kubernetes-models/networking.k8s.io/v1/NetworkPolicy";
import { PodDisruptionBudget } from "kubernetes-models/policy/v1/PodDisruptionBudget";
import { ConfigMap } from "kubernetes-models/v1/ConfigMap";
import { Namespace } from "kubernetes-models/v1/Namespace";
import { Pod } from "kubernetes-models/v1/Pod";
import { Service } from "kubernetes-models/v1/Service";
import { ServiceAccount } from "kubernetes-models/v1/ServiceAccount";
import { isFields, type Fields } from "./look.js";
import { kindOf } from "./rendering.js";

interface Schema {
  readonly apiVersion: string;
  readonly prototype: { validate(): void };
}
const schemas: Readonly<Record<string, Schema>> = {
  ConfigMap,
  Deployment,
  HorizontalPodAutoscaler,
  Ingress,
  Job,
  Namespace,
  Pod,
  NetworkPolicy,
  PodDisruptionBudget,
  PodMonitor,
  PrometheusRule,
  ScaledJob,
  ScaledObject,
  Service,
  ServiceAccount,
  ServiceMonitor,
  StatefulSet,
};

/** Newer than the schemas that there are for Node 20, with the release that brought it. */
const newerFields: Readonly<Record<string, readonly string[]>> = {
  ScaledObject: ["/spec/fallback/behavior"], // KEDA 2.17
  // KEDA 2.15; before it these were dropped, and no policy found the pods (kedacore/keda#5752).
  ScaledJob: [
    "/spec/jobTargetRef/template/metadata/labels",
    "/spec/jobTargetRef/template/metadata/annotations",
  ],
};
/** Kinds without a schema for Node 20; the structure of these few objects is for people to read. */
const withoutSchema = new Set(["HTTPRoute"]);

export interface Validity {
  /** What the schema says; empty: nothing. */
  readonly errors: readonly string[];
  /** Paths that the schema does not know. */
  readonly unknown: readonly string[];
}

export function validate(object: Fields): Validity {
  const kind = kindOf(object);
  if (withoutSchema.has(kind)) return { errors: [], unknown: [] };
  const schema = schemas[kind];
  if (!schema) return { errors: [`no schema for ${kind}`], unknown: [] };
  if (schema.apiVersion !== object["apiVersion"])
    return {
      errors: [`is ${String(object["apiVersion"])}, and the schema is of ${schema.apiVersion}`],
      unknown: [],
    };
  const read = new Set<string>();
  try {
    schema.prototype.validate.call(watched(object, "", read) as never);
  } catch (error) {
    return { errors: [(error as Error).message], unknown: [] };
  }
  const newer = newerFields[kind] ?? [];
  return { errors: [], unknown: unread(object, "", read).filter((path) => !newer.includes(path)) };
}

/** The same value, noting each path that is read; a map whose keys are listed has no unknown ones. */
function watched(value: object, path: string, read: Set<string>): object {
  return new Proxy(value, {
    get: (target, key, receiver) => {
      const inner: unknown = Reflect.get(target, key, receiver);
      if (typeof key !== "string" || !Object.hasOwn(target, key)) return inner;
      read.add(`${path}/${key}`);
      return typeof inner === "object" && inner !== null
        ? watched(inner, `${path}/${key}`, read)
        : inner;
    },
    ownKeys: (target) => {
      read.add(`${path}/*`);
      return Reflect.ownKeys(target);
    },
  });
}

function unread(value: unknown, path: string, read: ReadonlySet<string>): string[] {
  if (!isFields(value) && !Array.isArray(value)) return [];
  return Object.entries(value).flatMap(([key, inner]) => {
    const here = `${path}/${key}`;
    if (!read.has(here) && !read.has(`${path}/*`)) return [here];
    return unread(inner, here, read);
  });
}
