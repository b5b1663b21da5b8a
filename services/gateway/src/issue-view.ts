/** An issue as the API shows it: its row, and around one issue what it belongs to. */
import { rowSchema } from "@reveille/shared/postgres/row-schema";
import type { Database } from "@reveille/shared/postgres/pool";
import { issues, projects } from "@reveille/shared/postgres/schema";
import { z } from "zod";
import type { IssueRow } from "./lookup.js";

export const issueSchema = rowSchema(issues);

const ancestorSchema = issueSchema.pick({
  id: true,
  identifier: true,
  title: true,
  description: true,
  status: true,
  priority: true,
  assigneeAgentId: true,
  projectId: true,
  goalId: true,
});
export const issueDetailSchema = issueSchema.extend({
  /** The parent, its parent, and so on. */
  ancestors: z.array(ancestorSchema),
  project: rowSchema(projects).nullable(),
  /** Goals are not kept: `goalId` is what a client says. */
  goal: z.null(),
  mentionedProjects: z.array(rowSchema(projects)),
});

/** Levels above an issue that are shown: more are a mistake. */
const ancestorsMax = 50;

export async function presentIssue(
  db: Database,
  issue: IssueRow,
): Promise<Record<string, unknown>> {
  const { companyId, projectId } = issue;
  const [ancestors, project] = await Promise.all([
    ancestorsOf(db, issue),
    projectId
      ? db.query.projects.findFirst({
          where: (table, { and, eq }) =>
            and(eq(table.id, projectId), eq(table.companyId, companyId)),
        })
      : null,
  ]);
  return { ...issue, ancestors, project: project ?? null, goal: null, mentionedProjects: [] };
}

async function ancestorsOf(db: Database, issue: IssueRow): Promise<object[]> {
  const ancestors: object[] = [];
  const seen = new Set([issue.id]);
  let next = issue.parentId;
  while (next && !seen.has(next) && ancestors.length < ancestorsMax) {
    seen.add(next);
    const id: string = next;
    const parent = await db.query.issues.findFirst({
      columns: {
        id: true,
        identifier: true,
        title: true,
        description: true,
        status: true,
        priority: true,
        assigneeAgentId: true,
        projectId: true,
        goalId: true,
        parentId: true,
      },
      where: (table, { and, eq }) => and(eq(table.id, id), eq(table.companyId, issue.companyId)),
    });
    if (!parent) break;
    const { parentId, ...shown } = parent;
    ancestors.push(shown);
    next = parentId;
  }
  return ancestors;
}
