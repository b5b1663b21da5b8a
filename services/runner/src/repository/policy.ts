/**
 * How an agent wants its repositories checked out (`adapterConfig.workspaceStrategy`), and which working
 * tree a run gets by that. Pure.
 */
import { createHash } from "node:crypto";
import type { Execution } from "@reveille/shared/protocol/execution";
import { z } from "zod";

const strategySchema = z.looseObject({
  /** `git_worktree`: always a working tree of its own. Otherwise only where no folder of the project is here. */
  type: z.enum(["project_primary", "git_worktree"]).optional(),
  /** Runs of one issue go on in one tree, or each begins with a fresh one. */
  per: z.enum(["issue", "run"]).optional(),
  /** What becomes of work that is in no branch of the repository: it stays where it is, or is pushed. */
  dirty: z.enum(["keep", "push"]).optional(),
  /** A tree without such work: removed at the end of the run, or left for the next one. Default: by `per`. */
  cleanup: z.enum(["retain", "remove"]).optional(),
});
export interface CheckoutPolicy {
  always: boolean;
  dirty: "keep" | "push";
  cleanup: "retain" | "remove";
  /** Names the tree: one folder, one branch. Letters, digits and dashes. */
  key: string;
}
export type ReadPolicy = { ok: true; policy: CheckoutPolicy } | { ok: false; reason: string };

/**
 * Runs without an issue are one task when they have its key, else each is its own.
 * @param ofProject what the project says; field by field, the agent's own word comes before it.
 */
export function readPolicy(
  execution: Pick<Execution, "adapterConfig" | "issueId" | "taskKey" | "agentId" | "runId">,
  ofProject?: unknown,
): ReadPolicy {
  const agents = strategySchema.safeParse(execution.adapterConfig["workspaceStrategy"] ?? {});
  if (!agents.success) return wrong("adapterConfig", agents.error);
  const projects = strategySchema.safeParse(ofProject ?? {});
  if (!projects.success) return wrong("metadata of the project's workspace", projects.error);
  const said = { ...projects.data, ...agents.data };
  const { type = "project_primary", per = "issue", dirty = "keep", cleanup } = said;
  const key = per === "run" ? null : taskTree(execution);
  return {
    ok: true,
    policy: {
      always: type === "git_worktree",
      dirty,
      cleanup: cleanup ?? (key === null ? "remove" : "retain"),
      key: key ?? `run-${execution.runId}`,
    },
  };
}

function wrong(where: string, { issues: [issue] }: z.ZodError): ReadPolicy {
  const field = ["workspaceStrategy", ...(issue?.path ?? [])].join(".");
  return { ok: false, reason: `${where}: ${field}: ${issue?.message}` };
}

function taskTree({
  issueId,
  taskKey,
  agentId,
}: Pick<Execution, "issueId" | "taskKey" | "agentId">): string | null {
  if (issueId !== null) return `issue-${issueId}`;
  if (taskKey === null) return null;
  // Keys of tasks are free text, and each agent's own.
  const hash = createHash("sha256").update(`${agentId}\0${taskKey}`).digest("hex");
  return `task-${hash.slice(0, 32)}`;
}

/** The branch that a tree's work is on, and is pushed to. */
export const branchOf = (key: string): string => `reveille/${key}`;
