/**
 * What an execution takes from its issue and its project when it is sent: the issue's overrides of the
 * agent's configuration, and where the project has its files. Pure; whoever reads the rows is elsewhere.
 */
import type { Execution } from "@reveille/shared/protocol/execution";
import { isUuid } from "@reveille/shared/protocol/ids";
import type { Json } from "./state.js";

export type ProjectWorkspace = NonNullable<Execution["project"]>["workspaces"][number];

/** What the rows say at the moment of sending. */
export interface ExecutionFacts {
  /** Null: the run has no issue, or it is gone. */
  issue: { assigneeAgentId: string | null; overrides: unknown } | null;
  projectId: string | null;
  /** Of that project, in the order of their creation. */
  workspaces: readonly ProjectWorkspace[];
}

/** The project that a wake's context names; the issue's own comes before it. */
export const contextProjectId = ({ context }: Pick<Execution, "context">): string | null => {
  const named = context["projectId"];
  const id = typeof named === "string" ? named.trim().toLowerCase() : null;
  return isUuid(id) ? id : null;
};

/** Is there anything to be read before this execution can be sent? */
export const needsFacts = (execution: Execution): boolean =>
  execution.issueId !== null || contextProjectId(execution) !== null;

/** The execution as it is sent. Overrides count only while the issue is assigned to this very agent. */
export function withFacts(execution: Execution, facts: ExecutionFacts): Execution {
  const { issue, projectId, workspaces } = facts;
  const overrides =
    issue?.assigneeAgentId === execution.agentId ? asMap(issue.overrides) : ({} as Json);
  return {
    ...execution,
    adapterConfig: withOverrides(execution.adapterConfig, overrides),
    project:
      projectId === null
        ? null
        : {
            id: projectId,
            useWorkspace: overrides["useProjectWorkspace"] !== false,
            workspaces: [...workspaces],
          },
  };
}

/** Shallow, as the reference: an override's `env` stands in place of the agent's. */
export const withOverrides = (adapterConfig: Json, overrides: unknown): Json => ({
  ...adapterConfig,
  ...asMap(asMap(overrides)["adapterConfig"]),
});

const asMap = (value: unknown): Json =>
  typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Json) : {};
