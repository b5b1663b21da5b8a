/** What an issue may refer to, and what a change of status brings with it. */
import type { Queryable } from "@reveille/shared/postgres/sql";
import { conflict, notFound, unprocessable } from "./errors.js";

export const issueStatuses = [
  "backlog",
  "todo",
  "in_progress",
  "in_review",
  "done",
  "blocked",
  "cancelled",
] as const;

/** @throws HttpError 404, 409: work goes to agents of the company that can do it. */
export async function requireAssignable(
  on: Queryable,
  companyId: string,
  agentId: string | null | undefined,
): Promise<void> {
  if (!agentId) return;
  const agent = await on.query.agents.findFirst({
    columns: { status: true },
    where: (agents, { and, eq, isNull }) =>
      and(eq(agents.id, agentId), eq(agents.companyId, companyId), isNull(agents.deletedAt)),
  });
  if (!agent) throw notFound("Assignee agent");
  if (agent.status === "pending_approval")
    throw conflict("Cannot assign work to pending approval agents");
  if (agent.status === "terminated") throw conflict("Cannot assign work to terminated agents");
}

/** @throws HttpError 422 for a project, parent or issue of another company. */
export async function requireRelated(
  on: Queryable,
  companyId: string,
  refers: {
    projectId?: string | null | undefined;
    parentId?: string | null | undefined;
    issueId?: string | null | undefined;
  },
): Promise<void> {
  const { projectId } = refers;
  if (projectId) {
    const project = await on.query.projects.findFirst({
      columns: { id: true },
      where: (table, { and, eq }) => and(eq(table.id, projectId), eq(table.companyId, companyId)),
    });
    if (!project) throw unprocessable("projectId is no project of this company");
  }
  for (const name of ["parentId", "issueId"] as const) {
    const id = refers[name];
    if (!id) continue;
    const issue = await on.query.issues.findFirst({
      columns: { id: true },
      where: (table, { and, eq }) => and(eq(table.id, id), eq(table.companyId, companyId)),
    });
    if (!issue) throw unprocessable(`${name} is no issue of this company`);
  }
}

/** Times that go with a status. */
export function statusTimes(
  status: string,
  before: { startedAt: Date | null } | null,
  now: Date,
): { startedAt?: Date; completedAt: Date | null; cancelledAt: Date | null } {
  return {
    ...(status === "in_progress" && !before?.startedAt ? { startedAt: now } : {}),
    completedAt: status === "done" ? now : null,
    cancelledAt: status === "cancelled" ? now : null,
  };
}
