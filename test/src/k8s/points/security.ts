// Points 19 to 22: what a pod may do on its node and in the cluster.
import { at, fieldsAt, isFields, listAt, textAt, type Fields } from "../look.js";
import type { Point } from "../point.js";
import { kindOf, ofKind, titleOf } from "../rendering.js";
import { workloadsOf, type Workload } from "../workloads.js";

function confinementFaults({ title, pod, containers }: Workload): string[] {
  const faults = [
    ...(at(pod, "securityContext", "runAsNonRoot") === true ? [] : ["may run as root"]),
    ...(at(pod, "securityContext", "runAsUser") === 0 ? ["runs as root"] : []),
    ...(at(pod, "securityContext", "seccompProfile", "type") === "RuntimeDefault"
      ? []
      : ["has no seccomp profile"]),
    ...["hostNetwork", "hostPID", "hostIPC"].filter((field) => pod[field] === true),
    ...listAt(pod, "volumes").flatMap((volume) => volumeFaults(fieldsAt(volume))),
    ...containers.flatMap((container) => containerFaults(container, pod)),
  ];
  return faults.map((fault) => `${title}: ${fault}`);
}

function volumeFaults(volume: Fields): string[] {
  const name = textAt(volume, "name");
  if ("hostPath" in volume) return [`the volume ${name} is the node's`];
  if ("emptyDir" in volume && textAt(volume, "emptyDir", "sizeLimit") === undefined)
    return [`the volume ${name} has no limit`];
  return [];
}

function containerFaults(container: Fields, pod: Fields): string[] {
  const context = fieldsAt(container, "securityContext");
  const temporary = listAt(container, "volumeMounts").find(
    (mount) => textAt(mount, "mountPath") === "/tmp",
  );
  const volume = listAt(pod, "volumes").find(
    (one) => textAt(one, "name") === textAt(temporary, "name"),
  );
  return [
    ...(context["allowPrivilegeEscalation"] === false ? [] : ["may escalate its privileges"]),
    ...(context["privileged"] === true ? ["is privileged"] : []),
    ...(context["readOnlyRootFilesystem"] === true ? [] : ["may write to its image"]),
    ...(listAt(context, "capabilities", "drop").includes("ALL") ? [] : ["keeps capabilities"]),
    ...(listAt(context, "capabilities", "add").length === 0 ? [] : ["adds capabilities"]),
    ...(isFields(at(volume, "emptyDir")) ? [] : ["has no /tmp of its own"]),
  ];
}

function resourceFaults({ title, containers, component }: Workload): string[] {
  return containers.flatMap((container) => {
    const asked = fieldsAt(container, "resources", "requests");
    const most = fieldsAt(container, "resources", "limits");
    return [
      ...["cpu", "memory"]
        .filter((one) => !(one in asked))
        .map((one) => `${title} asks for no ${one}`),
      ...("memory" in most ? [] : [`${title} has no limit of memory`]),
      ...(component === "runner" && asked["memory"] !== most["memory"]
        ? [`${title} may use more memory than it asks for`]
        : []),
    ];
  });
}

export const securityPoints: readonly Point[] = [
  {
    number: 19,
    title: "pods are confined: no root, no capability, no writing but to limited volumes",
    check: (rendering) => workloadsOf(rendering).flatMap(confinementFaults),
  },
  {
    number: 20,
    title: "each workload has a service account of its own, without a token, and no role",
    check: (rendering) => {
      const accounts = ofKind(rendering, "ServiceAccount");
      const named = new Map(
        accounts.map((account) => [textAt(account, "metadata", "name"), account]),
      );
      const users = workloadsOf(rendering).map((workload) => ({
        ...workload,
        account: textAt(workload.pod, "serviceAccountName") ?? "default",
      }));
      return [
        ...users.flatMap(({ title, account, pod }) => [
          ...(pod["automountServiceAccountToken"] === false ? [] : [`${title} has a token`]),
          ...(named.has(account) ? [] : [`${title} uses the account ${account}`]),
        ]),
        ...users
          // Pools of runners are the same program, and may share one.
          .filter(({ account, component }) =>
            users.some((other) => other.account === account && other.component !== component),
          )
          .map(({ title, account }) => `${title} shares the account ${account}`),
        ...accounts
          .filter((account) => account["automountServiceAccountToken"] !== false)
          .map((account) => `${titleOf(account)} mounts its token`),
        ...rendering.objects
          .filter((object) => /^(Cluster)?Role(Binding)?$/.test(kindOf(object)))
          .map((object) => `${titleOf(object)}: nothing speaks to the API server`),
      ];
    },
  },
  {
    number: 21,
    title:
      "each container asks for processor and memory and has a limit of memory; a runner's are equal",
    check: (rendering) => workloadsOf(rendering).flatMap(resourceFaults),
  },
  {
    number: 22,
    title: "the namespace admits restricted pods alone",
    check: (rendering) => {
      const namespaces = ofKind(rendering, "Namespace");
      const lax = namespaces.filter(
        (one) =>
          textAt(one, "metadata", "labels", "pod-security.kubernetes.io/enforce") !== "restricted",
      );
      return [
        ...(namespaces.length === 0 ? ["no namespace"] : []),
        ...lax.map((one) => `${titleOf(one)} does not enforce the restricted profile`),
      ];
    },
  },
];
