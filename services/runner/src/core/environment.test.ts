import { expect, test } from "vitest";
import type { Execution } from "@reveille/shared/protocol/execution";
import { inheritedEnvironment, namedSecrets, runEnvironment } from "./environment.js";
import type { EnvironmentParts } from "./environment.js";

const execution: Execution = {
  companyId: "c",
  agentId: "a",
  agentName: "A",
  runId: "r",
  attempt: 2,
  adapterType: "process",
  adapterConfig: {},
  context: {},
  taskKey: "key",
  issueId: "i",
  session: null,
};
const environmentOf = (env: Record<string, unknown>, more: Partial<EnvironmentParts> = {}) =>
  runEnvironment({
    inherited: {},
    execution,
    config: { env },
    context: {},
    apiUrl: "http://api",
    token: null,
    secretNames: new Set(),
    ...more,
  });

test("only the allow-list is inherited, and there is always a PATH", () => {
  const kept = inheritedEnvironment({
    HOME: "/h",
    LC_ALL: "C",
    NATS_URL: "x",
    NODE_OPTIONS: "y",
    AWS_SECRET: "z",
  });
  expect(kept).toEqual({ HOME: "/h", LC_ALL: "C", PATH: expect.stringContaining("/bin") });
});

test("who and why is told under both prefixes; what is unknown is absent", () => {
  const context = { issueIds: ["x", 1, "y"], wakeReason: " " };
  const { all } = environmentOf({}, { context });
  expect(all).toMatchObject({
    REVEILLE_AGENT_ID: "a",
    PAPERCLIP_AGENT_ID: "a",
    REVEILLE_ATTEMPT: "2",
    PAPERCLIP_TASK_ID: "i",
    PAPERCLIP_API_URL: "http://api",
    PAPERCLIP_LINKED_ISSUE_IDS: "x,y",
  });
  expect(all).not.toHaveProperty("PAPERCLIP_WAKE_REASON");
});

test("the agent's own settings win, secrets are hidden in what is shown", () => {
  const { all, shown, refused } = environmentOf(
    { PATH: "/own", REVEILLE_RUN_ID: "mine", MY_API_KEY: { type: "plain", value: "s" } },
    { inherited: { PATH: "/bin" } },
  );
  expect(all).toMatchObject({ PATH: "/own", REVEILLE_RUN_ID: "mine", MY_API_KEY: "s" });
  expect(shown).toMatchObject({ MY_API_KEY: "***REDACTED***", REVEILLE_RUN_ID: "mine" });
  expect(refused).toEqual([]);
});

test.each(["LD_PRELOAD", "LD_LIBRARY_PATH", "NODE_OPTIONS", "BASH_ENV", "ENV", "a-b", "1x", "x\0"])(
  "%j is left out and said so",
  (name) => {
    const { all, refused } = environmentOf({ [name]: "v" });
    expect(all).not.toHaveProperty(name);
    expect(refused).toHaveLength(1);
  },
);

test("what is neither text nor a resolved reference is named [E12]", () => {
  const { unresolved } = environmentOf({ KEY: { type: "secret_ref", secretId: "s" } });
  expect(unresolved).toBe("KEY");
});

test("everything that the reference tells a process, under both prefixes", () => {
  const hints = [{ workspaceId: "w", cwd: "/w", repoUrl: null, repoRef: null }];
  const context = {
    taskId: "task",
    wakeReason: "issue_assigned",
    wakeCommentId: "comment",
    approvalId: "approval",
    approvalStatus: "approved",
    issueIds: ["1", "2"],
    paperclipWorkspace: {
      cwd: "/w",
      source: "project_primary",
      workspaceId: "w",
      repoUrl: "https://repo",
      repoRef: "main",
    },
    paperclipWorkspaces: hints,
  };
  const { all } = environmentOf({}, { context, token: "a.run.token" });
  const told = {
    AGENT_ID: "a",
    COMPANY_ID: "c",
    API_URL: "http://api",
    API_KEY: "a.run.token",
    RUN_ID: "r",
    TASK_ID: "task",
    WAKE_REASON: "issue_assigned",
    WAKE_COMMENT_ID: "comment",
    APPROVAL_ID: "approval",
    APPROVAL_STATUS: "approved",
    LINKED_ISSUE_IDS: "1,2",
    WORKSPACE_CWD: "/w",
    WORKSPACE_SOURCE: "project_primary",
    WORKSPACE_ID: "w",
    WORKSPACE_REPO_URL: "https://repo",
    WORKSPACE_REPO_REF: "main",
    WORKSPACES_JSON: JSON.stringify(hints),
  };
  for (const [name, value] of Object.entries(told)) {
    expect(all[`REVEILLE_${name}`], name).toBe(value);
    expect(all[`PAPERCLIP_${name}`], name).toBe(value);
  }
});

test("the run's token is the key of the API unless the agent has its own [E13]", () => {
  const keysOf = (env: Record<string, unknown>, token: string | null) => {
    const { all, shown } = environmentOf(env, { token });
    const { REVEILLE_API_KEY: ours, PAPERCLIP_API_KEY: theirs } = all;
    for (const name of ["REVEILLE_API_KEY", "PAPERCLIP_API_KEY"])
      if (name in shown) expect(shown[name]).toBe("***REDACTED***");
    return [ours, theirs];
  };
  expect(keysOf({}, "token")).toEqual(["token", "token"]);
  expect(keysOf({}, null)).toEqual([undefined, undefined]);
  expect(keysOf({ PAPERCLIP_API_KEY: "own" }, "token")).toEqual(["own", "own"]);
  expect(keysOf({ PAPERCLIP_API_KEY: " " }, "token")).toEqual(["token", "token"]);
  expect(keysOf({ REVEILLE_API_KEY: "a", PAPERCLIP_API_KEY: "b" }, "token")).toEqual(["a", "b"]);
});

test("what was a reference is never shown, whatever its name [B32]", () => {
  const { all, shown } = environmentOf({ PLAIN: "v" }, { secretNames: new Set(["PLAIN"]) });
  expect(all["PLAIN"]).toBe("v");
  expect(shown["PLAIN"]).toBe("***REDACTED***");
});

test("plain values under secret names are secrets when they are long enough [B32]", () => {
  const bindings = {
    MY_TOKEN: { type: "plain", value: "long-enough" },
    AUTH_MODE: "basic",
    HOME_PAGE: "https://not.secret",
    authorization: "Bearer also-long-enough",
  };
  expect(namedSecrets(bindings)).toEqual([
    "long-enough",
    "long-enough",
    "Bearer also-long-enough",
    "also-long-enough",
  ]);
  expect(namedSecrets("no map")).toEqual([]);
});
