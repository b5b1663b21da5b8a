import { expect, test } from "vitest";
import type { Api, Row } from "./api.js";
import { CliFailure } from "./failure.js";
import { resolveAgent, resolveCompany, resolveRun } from "./resolve.js";

const company = "9e85de74-e092-4be7-98c3-c9119619e00c";
const agents = [
  { id: "381d73b0-935c-4bad-828c-d87bbf5205da", name: "Slow", companyId: company },
  { id: "381d99b0-935c-4bad-828c-d87bbf5205da", name: "Quick", companyId: company },
];
const lists: Record<string, Row[]> = {
  "/companies": [{ id: company, name: "Acme", issuePrefix: "ACM" }],
  [`/companies/${company}/agents`]: agents,
  [`/companies/${company}/heartbeat-runs?limit=1000`]: [
    { id: "cabe2638-0a5d-82ec-ac3f-b2afffa42390", status: "running" },
  ],
};
const api: Api = {
  base: "",
  get: (path) => Promise.reject(new Error(`not asked for: ${path}`)),
  list: (path) => Promise.resolve(lists[path] ?? []),
  post: () => Promise.reject(new Error("nothing is written")),
  remove: () => Promise.reject(new Error("nothing is removed")),
};

const failureOf = async (work: Promise<unknown>): Promise<CliFailure> => {
  const error: unknown = await work.catch((reason: unknown) => reason);
  if (!(error instanceof CliFailure)) throw new Error(`no CliFailure: ${String(error)}`);
  return error;
};

test("an agent is found by name in any case, by the beginning of its id, and by its id", async () => {
  expect(await resolveAgent(api, "quick", undefined)).toBe(agents[1]);
  expect(await resolveAgent(api, "381d73", undefined)).toBe(agents[0]);
  expect(await resolveAgent(api, agents[0]!.id, "Acme")).toBe(agents[0]);
});

test("what fits several is refused with the candidates, what fits nothing is not found", async () => {
  const ambiguous = await failureOf(resolveAgent(api, "381d", undefined));
  expect(ambiguous.exitCode).toBe(2);
  expect(ambiguous.hint).toContain("Slow");
  expect(ambiguous.hint).toContain("Quick");
  const unknown = await failureOf(resolveAgent(api, "nobody", undefined));
  expect(unknown.exitCode).toBe(4);
  // Three characters are no beginning of an id: too easily somebody else.
  expect((await failureOf(resolveAgent(api, "381", undefined))).exitCode).toBe(4);
});

test("a company by its prefix, a run by the beginning of its id", async () => {
  expect(await resolveCompany(api, "acm")).toMatchObject({ id: company });
  expect((await failureOf(resolveCompany(api, "other"))).exitCode).toBe(4);
  expect(await resolveRun(api, "CABE2638", undefined)).toMatchObject({ status: "running" });
});
