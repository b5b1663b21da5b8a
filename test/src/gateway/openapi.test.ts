// The API's own description: valid, complete, and the same as what is served. That real answers are what it says is checked by every
// test of the gateway, because the rig's gateways compare them.
import { Validator } from "@seriousme/openapi-schema-validator";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startGatewayRig } from "./rig.js";
import type { GatewayProcess, GatewayRig } from "./rig.js";
import { createBoardToken } from "./tenants.js";

interface Operation {
  operationId: string;
  summary: string;
  tags: string[];
  security?: unknown[];
  parameters: { name: string; in: string; schema: object }[];
  requestBody?: { content: Record<string, { schema: Record<string, unknown> }> };
  responses: Record<string, { content?: Record<string, { schema: object }> }>;
}
interface Document {
  paths: Record<string, Record<string, Operation>>;
  security: unknown[];
  tags: { name: string }[];
  components: { schemas: Record<string, unknown>; securitySchemes: object };
}

let rig: GatewayRig;
let gateway: GatewayProcess;
let document: Document;
let operations: { path: string; method: string; operation: Operation }[];

beforeAll(async () => {
  rig = await startGatewayRig();
  gateway = await rig.gateway();
  document = (await gateway.call("GET", "/api/openapi.json")).body as Document;
  operations = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ path, method, operation })),
  );
});
afterAll(() => rig?.stop());

test("it is a valid OpenAPI 3.1 document", async () => {
  const validator = new Validator();
  const result = await validator.validate(
    structuredClone(document) as unknown as Record<string, unknown>,
  );
  expect(result).toMatchObject({ valid: true });
  expect(validator.version).toBe("3.1");
});

test("every reference leads somewhere, and every schema has a name of ours", () => {
  const references = [...JSON.stringify(document).matchAll(/"\$ref":"#\/([^"]+)"/g)];
  expect(references.length).toBeGreaterThan(100);
  for (const [, path] of references)
    expect(
      path!.split("/").reduce((at: unknown, key) => (at as never)?.[key], document),
    ).toBeDefined();
  for (const name of Object.keys(document.components.schemas)) expect(name).toMatch(/^[A-Z]\w+$/);
});

test("every operation says what it takes, what it answers and how it refuses", () => {
  const ids = operations.map(({ operation }) => operation.operationId);
  expect(new Set(ids).size).toBe(ids.length);
  const known = new Set(document.tags.map(({ name }) => name));
  for (const { path, operation } of operations) {
    expect(operation.summary).not.toBe("");
    expect(operation.tags.every((tag) => known.has(tag))).toBe(true);
    const named = operation.parameters.filter((each) => each.in === "path").map(({ name }) => name);
    expect(named.map((name) => `{${name}}`).sort()).toEqual((path.match(/\{\w+\}/g) ?? []).sort());
    const answers = Object.entries(operation.responses).filter(([status]) => /^[12]/.test(status));
    // One route is there to say no: Paperclip's clients know it.
    if (!path.endsWith("/claude-login")) expect(answers.length).toBeGreaterThan(0);
    for (const [status, answer] of answers)
      if (status !== "101")
        for (const { schema } of Object.values(answer.content ?? { none: { schema: {} } }))
          expect(Object.keys(schema)).not.toEqual([]);
    expect(operation.responses).toHaveProperty("4XX");
    expect(operation.responses).toHaveProperty("5XX");
  }
});

test("what is described is served, and nothing else", async () => {
  const id = "00000000-0000-4000-8000-000000000000";
  for (const { path, method, operation } of operations) {
    if (operation.responses["101"]) continue;
    const concrete = path.replace(/\{(\w+)\}/g, (_, name: string) =>
      name === "deadLetterId" ? "7" : id,
    );
    // Another method than those that there are: a path that nobody serves would be a 404.
    const answer = await gateway.call("PUT", concrete);
    const allowed = answer.headers.get("allow") ?? "";
    expect({ path, status: answer.status }).toEqual({ path, status: 405 });
    expect(allowed.split(", ")).toContain(method.toUpperCase());
    const methods = Object.keys(document.paths[path]!).map((each) => each.toUpperCase());
    expect(allowed.split(", ").filter((each) => each !== "HEAD")).toEqual(
      expect.arrayContaining(methods),
    );
  }
});

test("a credential is optional where nobody logs in, and asked for elsewhere", async () => {
  expect(document.security).toEqual([{ bearer: [] }, {}]);
  const closed = await rig.gateway({ REVEILLE_DEPLOYMENT_MODE: "authenticated" });
  const authorization = `Bearer ${await createBoardToken(rig.database)}`;
  const { body } = await closed.call("GET", "/api/openapi.json", undefined, {
    headers: { authorization },
  });
  expect((body as Document).security).toEqual([{ bearer: [] }, { session: [] }]);
  expect((body as Document).paths["/livez"]!["get"]!.security).toEqual([]);
});
