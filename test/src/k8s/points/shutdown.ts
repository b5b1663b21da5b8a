// Points 17 and 18: the end of a pod. What the code needs has to fit into what the kubelet gives.
import type { Facts } from "../facts.js";
import { isFields, listAt, numberAt, textAt, type Fields } from "../look.js";
import type { Point } from "../point.js";
import type { Rendering } from "../rendering.js";
import { servicesOf, type Workload } from "../workloads.js";
import { readableEnvironment } from "./configuration.js";

/** On the pod template: how many seconds of drain its grace was made for. */
const drainAnnotation = "reveille.dev/drain-seconds";

/**
 * What follows a drain: runs that are left are killed, reported and handed back, partitions handed over, answers awaited. 30 s: a
 * runner's last answers alone may take ten.
 */
const afterDrainSeconds = 30;

function preStopSeconds(container: Fields): number {
  const command = listAt(container, "lifecycle", "preStop", "exec", "command");
  if (command[0] === "sleep") return Number(command[1]);
  return numberAt(container, "lifecycle", "preStop", "sleep", "seconds") ?? 0;
}

interface Ending {
  workload: Workload;
  graceSeconds: number;
  preStopSeconds: number;
  /** By the code, from the environment that the manifest gives it; NaN: it does not start. */
  drainSeconds: number;
  annotated: string | undefined;
}

function endingsOf(rendering: Rendering, facts: Facts): Ending[] {
  return servicesOf(rendering).flatMap((workload) => {
    const drainMs = facts.programs[workload.component ?? ""]?.drainMs;
    const container = workload.containers[0];
    if (!drainMs || !isFields(container)) return [];
    return [
      {
        workload,
        graceSeconds: numberAt(workload.pod, "terminationGracePeriodSeconds") ?? 30,
        preStopSeconds: preStopSeconds(container),
        drainSeconds: drainOrNaN(() => drainMs(readableEnvironment(rendering, container))),
        annotated: textAt(workload.template, "metadata", "annotations", drainAnnotation),
      },
    ];
  });
}

function drainOrNaN(read: () => number): number {
  try {
    return read() / 1_000;
  } catch {
    return Number.NaN; // point 26 says why
  }
}

export const shutdownPoints: readonly Point[] = [
  {
    number: 17,
    title: "preStop, drain and what follows fit into the grace",
    check: (rendering, facts) =>
      endingsOf(rendering, facts)
        .map((one) => ({
          ...one,
          needs: one.preStopSeconds + one.drainSeconds + afterDrainSeconds,
        }))
        .filter(({ needs, graceSeconds }) => needs > graceSeconds)
        .map(
          ({ workload, needs, graceSeconds }) =>
            `${workload.title} needs ${needs} s to end and has ${graceSeconds}`,
        ),
  },
  {
    number: 18,
    title: "the drain that the manifest was made for is the code's",
    check: (rendering, facts) =>
      endingsOf(rendering, facts)
        .filter(({ drainSeconds, annotated }) => Number(annotated) !== drainSeconds)
        .map(
          ({ workload, drainSeconds, annotated }) =>
            `${workload.title}: ${drainAnnotation} is ${annotated}, the code drains ${drainSeconds} s`,
        ),
  },
];
