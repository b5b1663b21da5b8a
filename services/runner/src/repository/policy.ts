/**
 * How an agent wants its repositories checked out (`adapterConfig.workspaceStrategy`), and which working
 * tree a run gets by that. Pure.
 */
import { createHash } from "node:crypto";
import type { Execution } from "@reveille/shared/protocol/execution";
import { z } from "zod";

const strategySchema = z.looseObject({
  /** `git_worktree`: always a working tree of its own. Otherwise only where no folder of the project is here. */
  type: z.enum(["project_primary", "git_worktree"]).default("project_primary"),
  /** Runs of one issue go on in one tree, or each begins with a fresh one. */
  per: z.enum(["issue", "run"]).default("issue"),
  /** What becomes of work that is in no branch of the repository: it stays where it is, or is pushed. */
  dirty: z.enum(["keep", "push"]).default("keep"),
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

/** Runs without an issue are one task when they have its key, else each is its own. */
export function readPolicy(
  execution: Pick<Execution, "adapterConfig" | "issueId" | "taskKey" | "agentId" | "runId">,
): ReadPolicy {
  const read = strategySchema.safeParse(execution.adapterConfig["workspaceStrategy"] ?? {});
  if (!read.success) {
    const [issue] = read.error.issues;
    const field = ["workspaceStrategy", ...(issue?.path ?? [])].join(".");
    return { ok: false, reason: `adapterConfig.${field}: ${issue?.message}` };
  }
  const { type, per, dirty, cleanup } = read.data;
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
