import { expect, test } from "vitest";
import type { Execution } from "@reveille/shared/protocol/execution";
import { inheritedEnvironment, runEnvironment } from "./environment.js";

const execution = (
  env: Record<string, unknown>,
  context: Record<string, unknown> = {},
): Execution => ({
  companyId: "c",
  agentId: "a",
  agentName: "A",
  runId: "r",
  attempt: 2,
  adapterType: "process",
  adapterConfig: { env },
  context,
  taskKey: "key",
  issueId: "i",
  session: null,
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
  const { all } = runEnvironment(
    {},
    execution({}, { issueIds: ["x", 1, "y"], wakeReason: " " }),
    "http://api",
  );
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
  const { all, shown, refused } = runEnvironment(
    { PATH: "/bin" },
    execution({ PATH: "/own", REVEILLE_RUN_ID: "mine", MY_API_KEY: { type: "plain", value: "s" } }),
    "",
  );
  expect(all).toMatchObject({ PATH: "/own", REVEILLE_RUN_ID: "mine", MY_API_KEY: "s" });
  expect(shown).toMatchObject({ MY_API_KEY: "***REDACTED***", REVEILLE_RUN_ID: "mine" });
  expect(refused).toEqual([]);
});

test.each(["LD_PRELOAD", "LD_LIBRARY_PATH", "NODE_OPTIONS", "BASH_ENV", "ENV", "a-b", "1x", "x\0"])(
  "%j is left out and said so",
  (name) => {
    const { all, refused } = runEnvironment({}, execution({ [name]: "v" }), "");
    expect(all).not.toHaveProperty(name);
    expect(refused).toHaveLength(1);
  },
);

test("a reference that nobody resolved is named", () => {
  const { unresolved } = runEnvironment(
    {},
    execution({ KEY: { type: "secret_ref", secretId: "s" } }),
    "",
  );
  expect(unresolved).toBe("KEY");
});
