// The examples of the API's description: each belongs to a route, and that route takes it.
import { expect, test } from "vitest";
import type { Context } from "./context.js";
import { bodyExamples } from "./openapi-examples.js";
import { allRoutes } from "./routes.js";

/** Routes are made without touching what they will use. */
const routes = allRoutes(new Proxy({}, { get: () => ({}) }) as Context);

test.each(Object.entries(bodyExamples))("%s takes its examples", (name, examples) => {
  const route = routes.find(({ method, path }) => `${method} ${path}` === name);
  for (const example of Object.values(examples))
    expect(route?.body?.safeParse(example)).toMatchObject({ success: true });
});
