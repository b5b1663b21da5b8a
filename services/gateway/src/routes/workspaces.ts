/** Workspaces of a project: where runs of its issues work. */
import type { Database } from "@reveille/shared/postgres/pool";
import { projectWorkspaces } from "@reveille/shared/postgres/schema";
import { eq } from "@reveille/shared/postgres/sql";
import { uuidSchema } from "@reveille/shared/protocol/ids";
import { z } from "zod";
import { recordActivity } from "../activity.js";
import type { Actor } from "../auth.js";
import type { Context } from "../context.js";
import { badField, notFound } from "../errors.js";
import type { AnyRoute } from "../route.js";
import { route } from "../route.js";
import {
  findProject,
  insertWorkspace,
  projectParams,
  workspaceFields,
  workspaceRowSchema,
  workspaceSchema,
  workspacesOf,
} from "../workspaces.js";

const workspaceParams = projectParams.extend({ workspaceId: uuidSchema });
const patchSchema = z.object({ ...workspaceFields, isPrimary: z.boolean() }).partial();

export function workspaceRoutes(context: Context): AnyRoute[] {
  return [list(context), create(context), patch(context), remove(context)];
}

const list = ({ db }: Context): AnyRoute =>
  route({
    method: "GET",
    path: "/api/projects/:projectId/workspaces",
    summary: "Workspaces of a project, oldest first",
    params: projectParams,
    responses: { 200: z.array(workspaceRowSchema) },
    handle: async ({ params, actor }) =>
      workspacesOf(db, [(await findProject(db, actor, params.projectId)).id]),
  });

const create = (context: Context): AnyRoute =>
  route({
    method: "POST",
    path: "/api/projects/:projectId/workspaces",
    summary: "A new workspace",
    params: projectParams,
    body: workspaceSchema,
    responses: { 201: workspaceRowSchema },
    boardOnly: true,
    handle: async ({ params, body, actor, status }) => {
      const project = await findProject(context.db, actor, params.projectId);
      const workspace = await insertWorkspace(context.db, project, body);
      const details = { workspaceId: workspace.id, name: workspace.name, cwd: workspace.cwd };
      await tell(context, project, "project.workspace_created", details, actor);
      status(201);
      return workspace;
    },
  });

const patch = (context: Context): AnyRoute =>
  route({
    method: "PATCH",
    path: "/api/projects/:projectId/workspaces/:workspaceId",
    summary: "Changes a workspace; runs that are under way keep theirs",
    params: workspaceParams,
    body: patchSchema,
    responses: { 200: workspaceRowSchema },
    boardOnly: true,
    handle: async ({ params, body, actor }) => {
      const { db } = context;
      const project = await findProject(db, actor, params.projectId);
      const before = await findWorkspace(db, project.id, params.workspaceId);
      const given = Object.fromEntries(
        Object.entries(body).filter(([, value]) => value !== undefined),
      );
      const after = { ...before, ...given };
      if (!after.cwd && !after.repoUrl) throw badField(["cwd"], "a workspace needs cwd or repoUrl");
      const [workspace] = await db
        .update(projectWorkspaces)
        .set({ ...given, updatedAt: new Date() })
        .where(eq(projectWorkspaces.id, before.id))
        .returning();
      if (!workspace) throw notFound("Project workspace");
      const details = { workspaceId: workspace.id, changedKeys: Object.keys(given).toSorted() };
      await tell(context, project, "project.workspace_updated", details, actor);
      return workspace;
    },
  });

const remove = (context: Context): AnyRoute =>
  route({
    method: "DELETE",
    path: "/api/projects/:projectId/workspaces/:workspaceId",
    summary: "Forgets a workspace; its files stay where they are",
    params: workspaceParams,
    responses: { 200: workspaceRowSchema },
    boardOnly: true,
    handle: async ({ params, actor }) => {
      const { db } = context;
      const project = await findProject(db, actor, params.projectId);
      const workspace = await findWorkspace(db, project.id, params.workspaceId);
      await db.delete(projectWorkspaces).where(eq(projectWorkspaces.id, workspace.id));
      const details = { workspaceId: workspace.id, name: workspace.name };
      await tell(context, project, "project.workspace_deleted", details, actor);
      return workspace;
    },
  });

/** @throws HttpError 404. */
async function findWorkspace(db: Database, projectId: string, workspaceId: string) {
  const workspace = await db.query.projectWorkspaces.findFirst({
    where: (table, operators) =>
      operators.and(operators.eq(table.id, workspaceId), operators.eq(table.projectId, projectId)),
  });
  if (!workspace) throw notFound("Project workspace");
  return workspace;
}

const tell = (
  context: Context,
  project: { id: string; companyId: string },
  action: string,
  details: Record<string, unknown>,
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
