/** Projects: what issues belong to, and where their workspaces are. */
import { projects } from "@reveille/shared/postgres/schema";
import { uuidSchema } from "@reveille/shared/protocol/ids";
import { z } from "zod";
import type { Context } from "../context.js";
import { companyParams, findCompany } from "../lookup.js";
import type { AnyRoute } from "../route.js";
import { route } from "../route.js";
import {
  findProject,
  insertWorkspace,
  projectParams,
  workspaceSchema,
  workspacesOf,
} from "../workspaces.js";

const createSchema = z.object({
  name: z.string().min(1).max(200),
  description: z.string().max(100_000).nullish(),
  status: z
    .enum(["backlog", "planned", "in_progress", "completed", "cancelled"])
    .default("backlog"),
  leadAgentId: uuidSchema.nullish(),
  targetDate: z.string().max(40).nullish(),
  color: z.string().max(40).nullish(),
  workspace: workspaceSchema.optional(),
});

export function projectRoutes({ db }: Context): AnyRoute[] {
  return [
    route({
      method: "GET",
      path: "/api/companies/:companyId/projects",
      summary: "Projects with their workspaces",
      params: companyParams,
      handle: async ({ params, actor }) => {
        await findCompany(db, actor, params.companyId);
        const rows = await db.query.projects.findMany({
          where: (table, { eq }) => eq(table.companyId, params.companyId),
          orderBy: (table, { asc }) => [asc(table.createdAt), asc(table.id)],
          limit: 1_000,
        });
        const all =
          rows.length > 0
            ? await workspacesOf(
                db,
                rows.map(({ id }) => id),
              )
            : [];
        return rows.map((row) => ({
          ...row,
          workspaces: all.filter(({ projectId }) => projectId === row.id),
        }));
      },
    }),
    route({
      method: "POST",
      path: "/api/companies/:companyId/projects",
      summary: "A new project, with its first workspace if one is given",
      params: companyParams,
      body: createSchema,
      boardOnly: true,
      handle: async ({ params, body: { workspace, ...body }, actor, status }) => {
        await findCompany(db, actor, params.companyId);
        const { companyId } = params;
        status(201);
        return db.transaction(async (tx) => {
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
      },
    }),
    route({
      method: "GET",
      path: "/api/projects/:projectId",
      summary: "One project with its workspaces",
      params: projectParams,
      handle: async ({ params, actor }) => {
        const project = await findProject(db, actor, params.projectId);
        return { ...project, workspaces: await workspacesOf(db, [project.id]) };
      },
    }),
  ];
}
