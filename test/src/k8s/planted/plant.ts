// Owns how a fault is planted: small changes of what was rendered, or of what the code says. Knows no rule and no fault.
import type { Facts } from "../facts.js";
import type { Fields } from "../look.js";
import { titleOf, type Rendering } from "../rendering.js";

type Json = Record<string, unknown>;
/** A fault: what is done, and what the check is expected to say. */
export interface Plan {
  /** The rendering that it is planted into; default `production`. */
  readonly of?: string;
  /** What the fault is, in words. */
  readonly what: string;
  /** What the check is expected to say. */
  readonly said: RegExp;
  readonly plant: (rendering: Rendering, facts: Facts) => [Rendering, Facts];
}

/** Follows a path of keys; the object at its end. @throws Error when the fault cannot be planted there. */
export function inside(value: unknown, path: readonly (string | number)[]): Json {
  let here = value;
  for (const step of path) here = (here as Json | undefined)?.[step];
  if (typeof here !== "object" || here === null) throw new Error(`nothing at ${path.join(".")}`);
  return here as Json;
}

/** The rendering with one object changed. @throws Error when it is not there. */
export function changed(
  rendering: Rendering,
  title: string,
  change: (object: Json) => void,
): Rendering {
  if (!rendering.objects.some((object) => titleOf(object) === title))
    throw new Error(`${rendering.name} has no ${title}`);
  const objects = rendering.objects.map((object) => {
    if (titleOf(object) !== title) return object;
    const copy = structuredClone(object) as Json;
    change(copy);
    return copy;
  });
  return { ...rendering, objects };
}
/** Sets (or, with undefined, removes) what is at the path of one object. */
export const set =
  (title: string, path: readonly (string | number)[], value: unknown): Plan["plant"] =>
  (rendering, facts) => {
    const last = path.at(-1) ?? "";
    const plant = (object: Json): void => {
      const parent = inside(object, path.slice(0, -1));
      if (value === undefined) delete parent[last];
      else parent[last] = value;
    };
    return [changed(rendering, title, plant), facts];
  };
export const add =
  (object: Fields): Plan["plant"] =>
  (rendering, facts) => [{ ...rendering, objects: [...rendering.objects, object] }, facts];
export const without =
  (title: string): Plan["plant"] =>
  (rendering, facts) => [
    { ...rendering, objects: rendering.objects.filter((object) => titleOf(object) !== title) },
    facts,
  ];
export const withFacts =
  (change: (facts: Facts) => Partial<Facts>): Plan["plant"] =>
  (rendering, facts) => [rendering, { ...facts, ...change(facts) }];
export const dataOf =
  (prefix: string, name: string, value: string): Plan["plant"] =>
  (rendering, facts) => {
    const map = rendering.objects.find((object) =>
      titleOf(object).startsWith(`ConfigMap/${prefix}-`),
    );
    if (!map) throw new Error(`${rendering.name} has no ConfigMap ${prefix}`);
    return set(titleOf(map), ["data", name], value)(rendering, facts);
  };

/** Faults by the number of their point. */
export type Faults = Readonly<Record<number, readonly Plan[]>>;

// Where things are in what is rendered.
export const gateway = "Deployment/reveille-gateway";
export const runner = "Deployment/reveille-runner";
export const scaler = "ScaledObject/reveille-runner";
export const pod = ["spec", "template", "spec"];
export const container = [...pod, "containers", 0];
