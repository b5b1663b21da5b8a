import { expect, test } from "vitest";
import { readPolicy } from "./policy.js";

const execution = { issueId: "i", taskKey: "i", agentId: "a", runId: "r" };
const read = (workspaceStrategy?: unknown, more: Partial<typeof execution> | object = {}) =>
  readPolicy({ ...execution, ...more, adapterConfig: { workspaceStrategy } });

test("runs of an issue share a tree, which stays; unpushed work is kept", () => {
  expect(read()).toEqual({
    ok: true,
    policy: { always: false, dirty: "keep", cleanup: "retain", key: "issue-i" },
  });
});

test("a tree for a run alone goes with it", () => {
  expect(read({ type: "git_worktree", per: "run", dirty: "push" })).toEqual({
    ok: true,
    policy: { always: true, dirty: "push", cleanup: "remove", key: "run-r" },
  });
});

test("without an issue the task counts, per agent, and without a task the run", () => {
  const key = (more: object): string => {
    const found = read({}, { issueId: null, ...more });
    return found.ok ? found.policy.key : "";
  };
  expect(key({ taskKey: "nightly/../x" })).toMatch(/^task-[0-9a-f]{32}$/);
  expect(key({ taskKey: "nightly" })).not.toBe(key({ taskKey: "nightly", agentId: "b" }));
  expect(key({ taskKey: null })).toBe("run-r");
});

test("what is wrong is named", () => {
  expect(read({ per: "day" })).toMatchObject({
    ok: false,
    reason: expect.stringContaining("adapterConfig: workspaceStrategy.per"),
  });
  expect(read("x")).toMatchObject({ ok: false });
});

test("the project's word counts where the agent has none", () => {
  const project = { type: "git_worktree", per: "run", dirty: "push" };
  const mixed = readPolicy(
    { ...execution, adapterConfig: { workspaceStrategy: { dirty: "keep" } } },
    project,
  );
  expect(mixed).toMatchObject({ policy: { always: true, dirty: "keep", key: "run-r" } });
  expect(readPolicy({ ...execution, adapterConfig: {} }, { per: 1 })).toMatchObject({ ok: false });
});
