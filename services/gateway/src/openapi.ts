/** The OpenAPI 3.1 document, made from the route table. */
import { z } from "zod";
import type { AnyRoute } from "./route.js";

/** @param version of the product. */
export function openApi(routes: readonly AnyRoute[], version: string): Record<string, unknown> {
  const paths: Record<string, Record<string, unknown>> = {};
  for (const route of routes) {
    const path = route.path.replace(/:(\w+)/g, "{$1}");
    (paths[path] ??= {})[route.method.toLowerCase()] = operation(route);
  }
  return {
    openapi: "3.1.0",
    info: { title: "Reveille", version, description: "Wakes agents and shows what they do." },
    paths,
    components: {
      schemas: {
        Error: {
          type: "object",
          required: ["error"],
          properties: { error: { type: "string" }, details: {} },
        },
      },
    },
  };
}

function operation(route: AnyRoute): Record<string, unknown> {
  const refusal = {
    description: "Refused",
    content: { "application/json": { schema: { $ref: "#/components/schemas/Error" } } },
  };
  return {
    summary: route.summary,
    operationId: `${route.method.toLowerCase()}${route.path.replace(/[^A-Za-z0-9]+(\w?)/g, (_, letter: string) => letter.toUpperCase())}`,
    parameters: [...parameters(route.params, "path"), ...parameters(route.query, "query")],
    ...(route.body
      ? {
          requestBody: {
            content: { "application/json": { schema: jsonSchema(route.body) } },
          },
        }
      : {}),
    responses: { "2XX": { description: "Done" }, "4XX": refusal, "5XX": refusal },
  };
}

function parameters(schema: AnyRoute["params"], place: "path" | "query"): unknown[] {
  if (!schema) return [];
  const { properties } = jsonSchema(schema) as { properties?: Record<string, unknown> };
  return Object.entries(properties ?? {}).map(([name, inner]) => ({
    name,
    in: place,
    required: place === "path",
    schema: inner,
  }));
}

function jsonSchema(schema: z.ZodType): Record<string, unknown> {
  const { $schema: _, ...rest } = z.toJSONSchema(schema, { io: "input", unrepresentable: "any" });
  return rest;
}
