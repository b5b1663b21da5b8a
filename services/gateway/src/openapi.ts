/**
 * The OpenAPI 3.1 document, made from the route table: parameters, bodies, answers and refusals. Schemas
 * that have a name (`meta({ id })`) stand once, among the components.
 */
import { z } from "zod";
import type { DeploymentMode } from "./config.js";
import { problemSchema } from "./errors.js";
import { bodyExamples } from "./openapi-examples.js";
import { socketPaths } from "./openapi-sockets.js";
import { sessionCookieName } from "./session-cookie.js";
import type { AnyRoute } from "./route.js";

type Json = Record<string, unknown>;

const tags: Readonly<Record<string, string>> = {
  Companies: "Tenants, and what happened in them",
  Agents: "Who works: configuration, state, keys, and what people tell them to do",
  Approvals: "What people have to decide",
  Mailboxes: "Waking agents, what became of wakes, and what waits",
  Adapters: "How runs are executed",
  Costs: "What was spent, and budgets",
  Secrets: "Values that only runs may know",
  Projects: "What issues belong to, and where their files are",
  Issues: "The work: issues, comments, checkout, locks",
  Runs: "Executions, their events and logs",
  Access: "Credentials of people",
  System: "Hosts, runners, health, this description",
};

const statusTexts: Readonly<Record<string, string>> = {
  "200": "Done",
  "201": "Created",
  "202": "Accepted",
};

/** @param version of the product. */
export function openApi(routes: readonly AnyRoute[], version: string, mode: DeploymentMode): Json {
  const schemas: Json = {};
  const schemaOf = createSchemas(schemas);
  schemas["Problem"] = schemaOf(problemSchema, "output");
  const paths: Record<string, Json> = {};
  for (const route of routes) {
    const path = route.path.replace(/:(\w+)/g, "{$1}");
    (paths[path] ??= {})[route.method.toLowerCase()] = operation(route, schemaOf);
  }
  return {
    openapi: "3.1.0",
    info: {
      title: "Reveille",
      version,
      description:
        "Wakes agents and shows what they do. Paperclip's routes take what its clients send: unknown keys are dropped, odd " +
        "paging numbers are moved into their range. Routes that only Reveille has refuse what they do not know.",
      license: { name: "MIT", identifier: "MIT" },
    },
    servers: [{ url: "/" }],
    // Where nobody logs in a credential is not needed, and is checked when there is one.
    security: mode === "authenticated" ? [{ bearer: [] }, { session: [] }] : [{ bearer: [] }, {}],
    tags: Object.entries(tags).map(([name, description]) => ({ name, description })),
    paths: { ...paths, ...socketPaths },
    components: {
      securitySchemes: {
        bearer: {
          type: "http",
          scheme: "bearer",
          description: "A board token, an agent's key, or the token of a run that is running",
        },
        session: {
          type: "apiKey",
          in: "cookie",
          name: sessionCookieName,
          description: "A browser's session; what changes something sends X-CSRF-Token, too",
        },
      },
      responses: {
        Problem: {
          description:
            "Refused: a problem document (RFC 9457) with Paperclip's `error` and `details`",
          content: Object.fromEntries(
            ["application/json", "application/problem+json"].map((type) => [
              type,
              { schema: { $ref: "#/components/schemas/Problem" } },
            ]),
          ),
        },
      },
      schemas,
    },
  };
}

type SchemaOf = (schema: z.ZodType, io: "input" | "output") => Json;

/** Schemas as JSON Schema; named ones go to the components, and only their reference stays. */
function createSchemas(components: Json): SchemaOf {
  return (schema, io) => {
    const made = z.toJSONSchema(schema, { io, unrepresentable: "any" }) as Json;
    const { $schema: _, $defs, ...rest } = made;
    for (const [name, definition] of Object.entries(($defs as Json | undefined) ?? {}))
      components[name] ??= relocated(definition);
    const id = rest["id"];
    if (typeof id !== "string") return relocated(rest) as Json;
    components[id] ??= relocated(rest);
    return { $ref: `#/components/schemas/${id}` };
  };
}

/** References into `$defs` become references to the components; the names themselves are not shown. */
function relocated(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(relocated);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).flatMap(([key, inner]): [string, unknown][] => {
      if (key === "id" && typeof inner === "string") return [];
      if (key === "$ref" && typeof inner === "string")
        return [[key, inner.replace("#/$defs/", "#/components/schemas/")]];
      return [[key, relocated(inner)]];
    }),
  );
}

function operation(route: AnyRoute, schemaOf: SchemaOf): Json {
  const name = route.path.replace(/[^A-Za-z0-9]+(\w?)/g, (_, letter: string) =>
    letter.toUpperCase(),
  );
  return {
    summary: route.summary,
    operationId: `${route.method.toLowerCase()}${name}`,
    ...(route.tag ? { tags: [route.tag] } : {}),
    ...(route.open ? { security: [] } : {}),
    ...(route.operatorOnly
      ? { description: "Only for a board of all companies." }
      : route.boardOnly
        ? { description: "Only for the board." }
        : {}),
    parameters: [
      ...parameters(route.params, "path", schemaOf),
      ...parameters(route.query, "query", schemaOf),
    ],
    ...requestBody(route, schemaOf),
    responses: { ...answers(route, schemaOf), ...refusals(route) },
  };
}

function parameters(
  schema: AnyRoute["params"],
  place: "path" | "query",
  schemaOf: SchemaOf,
): unknown[] {
  if (!schema) return [];
  const { properties, required } = schemaOf(schema, "input") as {
    properties?: Record<string, Json>;
    required?: string[];
  };
  return Object.entries(properties ?? {}).map(([name, { description, ...inner }]) => ({
    name,
    in: place,
    required: place === "path" || (required ?? []).includes(name),
    ...(description ? { description } : {}),
    schema: inner,
  }));
}

function requestBody({ body: schema, method, path }: AnyRoute, schemaOf: SchemaOf): Json {
  if (!schema) return {};
  const given = Object.entries(bodyExamples[`${method} ${path}`] ?? {});
  const examples = Object.fromEntries(given.map(([name, value]) => [name, { value }]));
  const shown = schemaOf(schema, "input");
  if (Object.keys((shown["properties"] as Json | undefined) ?? { any: 1 }).length === 0) return {};
  return {
    requestBody: {
      required: !schema.safeParse({}).success,
      content: {
        "application/json": { schema: shown, ...(given.length > 0 ? { examples } : {}) },
      },
    },
  };
}

function answers(route: AnyRoute, schemaOf: SchemaOf): Json {
  return Object.fromEntries(
    Object.entries(route.responses).map(([status, answer]) => {
      const [type, schema] =
        "mediaType" in answer
          ? [answer.mediaType, answer.schema]
          : (["application/json", answer] as const);
      const content = { [type]: { schema: schemaOf(schema, "output") } };
      return [status, { description: statusTexts[status] ?? "Done", content }];
    }),
  );
}

/** What is known of each route; the ranges stand for the rest (a conflict, a full queue, a server that is away). */
function refusals(route: AnyRoute): Json {
  const takes = route.params ?? route.query ?? route.body;
  const statuses = [
    ...(takes ? ["400"] : []),
    ...(route.open ? [] : ["401"]),
    ...(route.boardOnly || route.operatorOnly ? ["403"] : []),
    ...(route.params ? ["404"] : []),
    "4XX",
    "5XX",
  ];
  return Object.fromEntries(
    statuses.map((status) => [status, { $ref: "#/components/responses/Problem" }]),
  );
}
