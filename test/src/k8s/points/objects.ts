// Points 1 to 5: objects by themselves. Knows no meaning of what they say.
import { textAt, type Fields } from "../look.js";
import type { Point } from "../point.js";
import { kindOf, labelsOf, titleOf } from "../rendering.js";
import { validate } from "../schemas.js";
import { podLabels, workloadsOf } from "../workloads.js";

/** Objects of the whole cluster. */
const clusterWide = new Set(["Namespace"]);
const wantedLabels = ["app.kubernetes.io/name", "app.kubernetes.io/part-of"];

/** ConfigMaps are generated for their readers, who find them by that name: they belong to the whole, and to no one of it. */
const wantedOf = (object: Fields): readonly string[] =>
  kindOf(object) === "ConfigMap" ? ["app.kubernetes.io/part-of"] : wantedLabels;
const lacking = (title: string, labels: Fields, wanted: readonly string[]): string[] =>
  wanted.filter((label) => !(label in labels)).map((label) => `${title} has no ${label}`);

export const objectPoints: readonly Point[] = [
  {
    number: 1,
    title: "it renders, without a warning",
    check: ({ objects, warnings }) => [
      ...warnings.map((line) => `kubectl says: ${line}`),
      ...(objects.length === 0 ? ["nothing was rendered"] : []),
    ],
  },
  {
    number: 2,
    title: "each object passes its schema",
    check: ({ objects }) =>
      objects.flatMap((object) =>
        validate(object).errors.map((error) => `${titleOf(object)}: ${error}`),
      ),
  },
  {
    number: 3,
    title: "no field is unknown",
    check: ({ objects }) =>
      objects.flatMap((object) =>
        validate(object).unknown.map((path) => `${titleOf(object)} has an unknown ${path}`),
      ),
  },
  {
    number: 4,
    title: "no object is there twice",
    check: ({ objects }) => {
      const ids = objects.map(
        (object) => `${titleOf(object)} in ${textAt(object, "metadata", "namespace") ?? "-"}`,
      );
      return ids
        .filter((id, index) => ids.indexOf(id) !== index)
        .map((id) => `${id} is there twice`);
    },
  },
  {
    number: 5,
    title: "each object and pod template has its namespace and labels",
    check: (rendering) => [
      ...rendering.objects
        .filter((object) => !clusterWide.has(kindOf(object)))
        .filter((object) => textAt(object, "metadata", "namespace") === undefined)
        .map((object) => `${titleOf(object)} has no namespace`),
      ...rendering.objects.flatMap((object) =>
        lacking(titleOf(object), labelsOf(object), wantedOf(object)),
      ),
      ...workloadsOf(rendering).flatMap((workload) =>
        lacking(`a pod of ${workload.title}`, podLabels(workload), wantedLabels),
      ),
    ],
  },
];
