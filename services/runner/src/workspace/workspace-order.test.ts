import { expect, test } from "vitest";
import type { Execution } from "@reveille/shared/protocol/execution";
import { contextWithWorkspace, workspaceOrder } from "./workspace-order.js";

const home = "/homes/agent";
type Project = NonNullable<Execution["project"]>;
const row = (id: string, cwd: string | null) => ({ id, cwd, repoUrl: `url-${id}`, repoRef: null });
const project = (workspaces: Project["workspaces"], useWorkspace = true): Project => ({
  id: "p",
  useWorkspace,
  workspaces,
});
const session = { id: "s", displayId: "s", params: { cwd: "/kept", workspaceId: "w9" } };

test("the project's folders come first, in their order [P1] [P2]", () => {
  const { candidates } = workspaceOrder(
    { project: project([row("1", "/one"), row("2", "/two")]), session },
    home,
  );
  expect(candidates).toEqual([
    {
      cwd: "/one",
      source: "project_primary",
      projectId: "p",
      workspaceId: "1",
      repoUrl: "url-1",
      repoRef: null,
    },
    expect.objectContaining({ cwd: "/two", workspaceId: "2" }),
  ]);
});

test.each([null, "", " ", "relative", "/__paperclip_repo_only__", "/a\0b"])(
  "a workspace at %j is skipped [P2]",
  (cwd) => {
    const { candidates } = workspaceOrder(
      { project: project([row("1", cwd), row("2", "/two")]), session },
      home,
    );
    expect(candidates.map(({ workspaceId }) => workspaceId)).toEqual(["2"]);
  },
);

test("a project without a folder that is there works in the agent's own [P3]", () => {
  const { otherwise } = workspaceOrder(
    { project: project([row("1", null), row("2", "/two")]), session },
    home,
  );
  expect(otherwise).toMatchObject({
    cwd: home,
    source: "project_primary",
    projectId: "p",
    workspaceId: "1",
    repoUrl: "url-1",
  });
});

test("without workspaces a session goes on where it was [P4]", () => {
  for (const given of [null, project([])]) {
    const { candidates } = workspaceOrder({ project: given, session }, home);
    expect(candidates).toMatchObject([
      { cwd: "/kept", source: "task_session", workspaceId: "w9", repoUrl: null },
    ]);
    expect(candidates[0]?.projectId).toBe(given?.id ?? null);
  }
});

test("else it is the agent's own folder, and nothing more is known [P5]", () => {
  const { candidates, otherwise } = workspaceOrder({ project: null, session: null }, home);
  expect(candidates).toEqual([]);
  expect(otherwise).toEqual({
    cwd: home,
    source: "agent_home",
    projectId: null,
    workspaceId: null,
    repoUrl: null,
    repoRef: null,
  });
});

test("an issue that wants no workspace of its project gets none, but keeps the project [P6]", () => {
  const given = { project: project([row("1", "/one")], false), session: null };
  const { candidates, otherwise, hints } = workspaceOrder(given, home);
  expect(candidates).toEqual([]);
  expect(otherwise).toMatchObject({ source: "agent_home", projectId: "p", workspaceId: null });
  expect(hints).toEqual([]);
});

test("every workspace is a hint, usable or not [P7]", () => {
  const { hints } = workspaceOrder(
    { project: project([row("1", null), row("2", "/two")]), session },
    home,
  );
  expect(hints).toEqual([
    { workspaceId: "1", cwd: null, repoUrl: "url-1", repoRef: null },
    { workspaceId: "2", cwd: "/two", repoUrl: "url-2", repoRef: null },
  ]);
});

test("the context says where the run works; the project only where none was named [E5]", () => {
  const { otherwise, hints } = workspaceOrder({ project: project([]), session: null }, home);
  const context = { a: 1, projectId: " ", paperclipWorkspace: "from outside" };
  const told = contextWithWorkspace(context, otherwise, hints);
  expect(told).toEqual({
    a: 1,
    projectId: "p",
    paperclipWorkspace: {
      cwd: home,
      source: "agent_home",
      projectId: "p",
      workspaceId: null,
      repoUrl: null,
      repoRef: null,
    },
    paperclipWorkspaces: [],
  });
  expect(context.projectId).toBe(" ");
  expect(contextWithWorkspace({ projectId: "own" }, otherwise, hints)).toMatchObject({
    projectId: "own",
  });
});
