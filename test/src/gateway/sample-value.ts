// Owns values that fit a JSON Schema: what a test sends to a route of which it knows only the description. Knows no route.

type Schema = Record<string, unknown>;

/** A value that the schema takes, as small as possible; of an object whose keys are all optional, its first key. */
export function sampleOf(schema: Schema, resolve: (reference: string) => Schema): unknown {
  const inner = (other: unknown): unknown => sampleOf(other as Schema, resolve);
  if (typeof schema["$ref"] === "string") return inner(resolve(schema["$ref"]));
  if ("const" in schema) return schema["const"];
  if (Array.isArray(schema["enum"])) return (schema["enum"] as unknown[])[0];
  const choices = (schema["anyOf"] ?? schema["oneOf"] ?? schema["allOf"]) as unknown[] | undefined;
  if (choices) return inner(choices[0]);
  switch (schema["type"]) {
    case "object":
      return objectOf(schema, inner);
    case "array":
      return Number(schema["minItems"] ?? 0) > 0 ? [inner(schema["items"])] : [];
    case "integer":
    case "number":
      return Math.max(1, Number(schema["minimum"] ?? 1));
    case "boolean":
      return true;
    case "null":
      return null;
    default:
      return textOf(schema);
  }
}

function objectOf(schema: Schema, inner: (other: unknown) => unknown): Record<string, unknown> {
  const properties = Object.entries((schema["properties"] ?? {}) as Record<string, unknown>);
  const required = (schema["required"] ?? []) as string[];
  const wanted = properties.filter(([key]) => required.includes(key));
  return Object.fromEntries(
    (wanted.length > 0 ? wanted : properties.slice(0, 1)).map(([key, of]) => [key, inner(of)]),
  );
}

function textOf(schema: Schema): string {
  if (schema["format"] === "uuid") return "00000000-0000-4000-8000-000000000001";
  if (schema["format"] === "date-time") return "2030-01-01T00:00:00.000Z";
  return "x".repeat(Math.max(4, Number(schema["minLength"] ?? 0)));
}
