// Point 30: the Jobs of a release. They may run any number of times, end, and go away; whoever comes too early refuses to work.
import { listAt, numberAt, textAt } from "../look.js";
import type { Point } from "../point.js";
import { kindOf } from "../rendering.js";
import { workloadsOf } from "../workloads.js";

/** What the Jobs run; each says in its help that it is safe to repeat. */
const jobs: Readonly<Record<string, string>> = { migrate: "migrate", topology: "topology apply" };

export const releasePoints: readonly Point[] = [
  {
    number: 30,
    title: "the Jobs of a release are bounded and go away, and services refuse an older schema",
    check: (rendering, facts) => {
      const found = workloadsOf(rendering).filter(({ object }) => kindOf(object) === "Job");
      return [
        ...Object.keys(jobs)
          .filter((name) => !found.some(({ component }) => component === name))
          .map((name) => `there is no Job ${name}`),
        ...found.flatMap(({ title, object, component, pod, containers }) => {
          const command = containers.map((container) => listAt(container, "args").join(" ")).join();
          const wanted = jobs[component ?? ""];
          return [
            ...(command === wanted ? [] : [`${title} runs ${command}`]),
            ...(numberAt(object, "spec", "backoffLimit") === undefined
              ? [`${title} has no backoffLimit`]
              : []),
            ...(numberAt(object, "spec", "ttlSecondsAfterFinished") === undefined
              ? [`${title} stays, and its template cannot be changed`]
              : []),
            ...(textAt(pod, "restartPolicy") === "Always" ? [`${title} never ends`] : []),
          ];
        }),
        ...Object.entries(facts.refusesOldSchema)
          .filter(([, refuses]) => !refuses)
          .map(([service]) => `${service} starts on an older schema`),
      ];
    },
  },
];
