import { newId } from "@reveille/shared/protocol/ids";
import type { Execution } from "@reveille/shared/protocol/execution";
import { expect, test } from "vitest";
import { contextProjectId, needsFacts, withFacts } from "./execution-facts.js";

const agentId = newId();
const execution = (more: Partial<Execution> = {}): Execution => ({
  companyId: newId(),
  agentId,
  agentName: "A",
  runId: newId(),
  attempt: 1,
  adapterType: "process",
  adapterConfig: { command: "a", env: { A: "1", B: "2" } },
  context: {},
  taskKey: null,
  issueId: newId(),
  session: null,
  ...more,
});
const projectId = newId();
const facts = (overrides: unknown, assigneeAgentId: string | null = agentId) => ({
  issue: { assigneeAgentId, overrides },
  projectId,
  workspaces: [],
});

test("an issue's overrides change the configuration of its assignee, shallowly [E2]", () => {
  const sent = withFacts(execution(), facts({ adapterConfig: { env: { C: "3" }, model: "m" } }));
  expect(sent.adapterConfig).toEqual({ command: "a", env: { C: "3" }, model: "m" });
});

test.each([null, newId()])("overrides of an issue that %s has change nothing [E2]", (assignee) => {
  const given = facts({ adapterConfig: { command: "b" }, useProjectWorkspace: false }, assignee);
  const sent = withFacts(execution(), given);
  expect(sent.adapterConfig).toMatchObject({ command: "a" });
  expect(sent.project).toMatchObject({ useWorkspace: true });
});

test.each([null, 1, [], {}, { adapterConfig: {} }, { adapterConfig: ["x"] }])(
  "overrides of a wrong form (%j) change nothing [E2]",
  (overrides) => {
    const before = execution();
    expect(withFacts(before, facts(overrides)).adapterConfig).toEqual(before.adapterConfig);
  },
);

test("only a plain false turns the project's workspace off [P6]", () => {
  const use = (useProjectWorkspace: unknown) =>
    withFacts(execution(), facts({ useProjectWorkspace })).project;
  expect(use(false)).toEqual({ id: projectId, useWorkspace: false, workspaces: [] });
  for (const other of [true, null, 0, "false"]) expect(use(other)?.useWorkspace).toBe(true);
});

test("a run without issue and project needs no facts", () => {
  expect(needsFacts(execution({ issueId: null }))).toBe(false);
  expect(needsFacts(execution({ issueId: null, context: { projectId: "x" } }))).toBe(false);
  expect(needsFacts(execution({ issueId: null, context: { projectId } }))).toBe(true);
  expect(needsFacts(execution())).toBe(true);
});

test("a context names its project by a UUID [P1]", () => {
  expect(contextProjectId({ context: { projectId: ` ${projectId.toUpperCase()} ` } })).toBe(
    projectId,
  );
  expect(contextProjectId({ context: { projectId: 7 } })).toBeNull();
  expect(withFacts(execution(), { issue: null, projectId: null, workspaces: [] }).project).toBe(
    null,
  );
});
