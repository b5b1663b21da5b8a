// Owns how parsed YAML is looked into: by path, without trusting any shape. Knows no rule.

export type Fields = Readonly<Record<string, unknown>>;

export const isFields = (value: unknown): value is Fields =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** What is at the path; undefined when any step is missing. Numbers step into lists. */
export function at(value: unknown, ...path: readonly (string | number)[]): unknown {
  let here = value;
  for (const step of path) {
    if (typeof here !== "object" || here === null) return undefined;
    here = (here as Record<string | number, unknown>)[step];
  }
  return here;
}
export const fieldsAt = (value: unknown, ...path: readonly (string | number)[]): Fields => {
  const found = at(value, ...path);
  return isFields(found) ? found : {};
};
export const listAt = (value: unknown, ...path: readonly (string | number)[]): unknown[] => {
  const found = at(value, ...path);
  return Array.isArray(found) ? found : [];
};
/** Text and numbers as text; everything else is absent. */
export const textAt = (
  value: unknown,
  ...path: readonly (string | number)[]
): string | undefined => {
  const found = at(value, ...path);
  return typeof found === "string" || typeof found === "number" ? String(found) : undefined;
};
export const numberAt = (
  value: unknown,
  ...path: readonly (string | number)[]
): number | undefined => {
  const found = at(value, ...path);
  return typeof found === "number" ? found : undefined;
};
