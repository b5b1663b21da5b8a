/** Projects: what issues belong to, and where their workspaces are. */
import { rowSchema } from "@reveille/shared/postgres/row-schema";
import { issues, projects, projectWorkspaces } from "@reveille/shared/postgres/schema";
import { eq } from "@reveille/shared/postgres/sql";
import { uuidSchema } from "@reveille/shared/protocol/ids";
import { z } from "zod";
import { recordActivity } from "../activity.js";
import type { Actor } from "../auth.js";
import type { Context } from "../context.js";
import { notFound } from "../errors.js";
import { companyParams, findCompany } from "../lookup.js";
import type { AnyRoute } from "../route.js";
import { route } from "../route.js";
import {
  findProject,
  insertWorkspace,
  projectParams,
  workspaceRowSchema,
  workspaceSchema,
  workspacesOf,
} from "../workspaces.js";

const fields = {
  name: z.string().min(1).max(200),
  description: z.string().max(100_000).nullish(),
  status: z.enum(["backlog", "planned", "in_progress", "completed", "cancelled"]),
  leadAgentId: uuidSchema.nullish(),
  goalId: uuidSchema.nullish(),
  targetDate: z.string().max(40).nullish(),
  color: z.string().max(40).nullish(),
};
const createSchema = z.object({
  ...fields,
  status: fields.status.default("backlog"),
  workspace: workspaceSchema.optional(),
});
const patchSchema = z
  .object({ ...fields, archivedAt: z.iso.datetime({ offset: true }).nullish() })
  .partial();
const projectSchema = rowSchema(projects);
const withWorkspaces = projectSchema.extend({ workspaces: z.array(workspaceRowSchema) });

export function projectRoutes(context: Context): AnyRoute[] {
  return [list(context), create(context), one(context), patch(context), remove(context)];
}

const list = ({ db }: Context): AnyRoute =>
  route({
    method: "GET",
    path: "/api/companies/:companyId/projects",
    summary: "Projects with their workspaces, oldest first, 1,000 at most",
    params: companyParams,
    responses: { 200: z.array(withWorkspaces) },
    handle: async ({ params, actor }) => {
      await findCompany(db, actor, params.companyId);
      const rows = await db.query.projects.findMany({
        where: (table, operators) => operators.eq(table.companyId, params.companyId),
        orderBy: (table, { asc }) => [asc(table.createdAt), asc(table.id)],
        limit: 1_000,
      });
      const ids = rows.map(({ id }) => id);
      const all = ids.length > 0 ? await workspacesOf(db, ids) : [];
      return rows.map((row) => ({
        ...row,
        workspaces: all.filter(({ projectId }) => projectId === row.id),
      }));
    },
  });

const create = (context: Context): AnyRoute =>
  route({
    method: "POST",
    path: "/api/companies/:companyId/projects",
    summary: "A new project, with its first workspace if one is given",
    params: companyParams,
    body: createSchema,
    responses: { 201: withWorkspaces },
    boardOnly: true,
    handle: async ({ params: { companyId }, body: { workspace, ...body }, actor, status }) => {
      await findCompany(context.db, actor, companyId);
      const made = await context.db.transaction(async (tx) => {
        const [project] = await tx
          .insert(projects)
          .values({ ...body, companyId })
          .returning();
        if (!project) throw new Error("the insert returned no row");
        const workspaces = workspace
          ? [await insertWorkspace(tx, project, { ...workspace, isPrimary: true })]
          : [];
        return { ...project, workspaces };
      });
      await tell(context, made, "project.created", { name: made.name }, actor);
      status(201);
      return made;
    },
  });

const one = ({ db }: Context): AnyRoute =>
  route({
    method: "GET",
    path: "/api/projects/:projectId",
    summary: "One project with its workspaces",
    params: projectParams,
    responses: { 200: withWorkspaces },
    handle: async ({ params, actor }) => {
      const project = await findProject(db, actor, params.projectId);
      return { ...project, workspaces: await workspacesOf(db, [project.id]) };
    },
  });

const patch = (context: Context): AnyRoute =>
  route({
    method: "PATCH",
    path: "/api/projects/:projectId",
    summary: "Changes a project",
    params: projectParams,
    body: patchSchema,
    responses: { 200: withWorkspaces },
    boardOnly: true,
    handle: async ({ params, body: { archivedAt, ...body }, actor }) => {
      const { id } = await findProject(context.db, actor, params.projectId);
      const given = Object.fromEntries(
        Object.entries(body).filter(([, value]) => value !== undefined),
      );
      const [project] = await context.db
        .update(projects)
        .set({
          ...given,
          ...(archivedAt === undefined
            ? {}
            : { archivedAt: archivedAt === null ? null : new Date(archivedAt) }),
          updatedAt: new Date(),
        })
        .where(eq(projects.id, id))
        .returning();
      if (!project) throw notFound("Project");
      await tell(context, project, "project.updated", given, actor);
      return { ...project, workspaces: await workspacesOf(context.db, [id]) };
    },
  });

const remove = (context: Context): AnyRoute =>
  route({
    method: "DELETE",
    path: "/api/projects/:projectId",
    summary: "Deletes a project with its workspaces; its issues stay, without a project",
    params: projectParams,
    responses: { 200: projectSchema },
    boardOnly: true,
    handle: async ({ params, actor }) => {
      const project = await findProject(context.db, actor, params.projectId);
      await context.db.transaction(async (tx) => {
        await tx.update(issues).set({ projectId: null }).where(eq(issues.projectId, project.id));
        await tx.delete(projectWorkspaces).where(eq(projectWorkspaces.projectId, project.id));
        await tx.delete(projects).where(eq(projects.id, project.id));
      });
      await tell(context, project, "project.deleted", null, actor);
      return project;
    },
  });

const tell = (
  context: Context,
  project: { id: string; companyId: string },
  action: string,
  details: Record<string, unknown> | null,
  actor: Actor,
): Promise<void> =>
  recordActivity(context, {
    companyId: project.companyId,
    actor,
    action,
    entityType: "project",
    entityId: project.id,
    details,
  });
