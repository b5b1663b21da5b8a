/** Projects and workspaces in the database, for the routes of both. */
import type { Database } from "@reveille/shared/postgres/pool";
import { rowSchema } from "@reveille/shared/postgres/row-schema";
import { projectWorkspaces } from "@reveille/shared/postgres/schema";
import type { Queryable } from "@reveille/shared/postgres/sql";
import { uuidSchema } from "@reveille/shared/protocol/ids";
import { z } from "zod";
import { requireCompany } from "./auth.js";
import type { Actor } from "./auth.js";
import { notFound } from "./errors.js";

export const projectParams = z.object({ projectId: uuidSchema });
export const workspaceFields = {
  name: z.string().min(1).max(200).optional(),
  cwd: z.string().max(4_096).startsWith("/", "must be an absolute path").nullish(),
  repoUrl: z.string().max(2_048).nullish(),
  repoRef: z.string().max(255).nullish(),
  metadata: z.record(z.string(), z.unknown()).nullish(),
};
export const workspaceRowSchema = rowSchema(projectWorkspaces);
export const workspaceSchema = z
  .object({ ...workspaceFields, isPrimary: z.boolean().default(false) })
  .refine((workspace) => workspace.cwd || workspace.repoUrl, {
    path: ["cwd"],
    message: "a workspace needs cwd or repoUrl",
  });

/** @throws HttpError 404. */
export async function findProject(db: Database, actor: Actor, projectId: string) {
  const project = await db.query.projects.findFirst({
    where: (table, { eq }) => eq(table.id, projectId),
  });
  if (!project) throw notFound("Project");
  requireCompany(actor, project.companyId, "Project");
  return project;
}

/** Of these projects, oldest first, 10,000 at most. */
export const workspacesOf = (db: Database, projectIds: string[]) =>
  db.query.projectWorkspaces.findMany({
    where: (table, { inArray }) => inArray(table.projectId, projectIds),
    orderBy: (table, { asc }) => [asc(table.createdAt), asc(table.id)],
    limit: 10_000,
  });

/** Without a name it gets the project's. */
export async function insertWorkspace(
  on: Queryable,
  project: { id: string; companyId: string; name: string },
  workspace: z.output<typeof workspaceSchema>,
) {
  const [row] = await on
    .insert(projectWorkspaces)
    .values({
      ...workspace,
      name: workspace.name ?? project.name,
      companyId: project.companyId,
      projectId: project.id,
    })
    .returning();
  if (!row) throw new Error("the insert returned no row");
  return row;
}
