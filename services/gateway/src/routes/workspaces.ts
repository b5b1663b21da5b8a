/** Workspaces of a project: where runs of its issues work. */
import type { Context } from "../context.js";
import type { AnyRoute } from "../route.js";
import { route } from "../route.js";
import {
  findProject,
  insertWorkspace,
  projectParams,
  workspaceSchema,
  workspacesOf,
} from "../workspaces.js";

export function workspaceRoutes({ db }: Context): AnyRoute[] {
  return [
    route({
      method: "GET",
      path: "/api/projects/:projectId/workspaces",
      summary: "Workspaces of a project, oldest first",
      params: projectParams,
      handle: async ({ params, actor }) =>
        workspacesOf(db, [(await findProject(db, actor, params.projectId)).id]),
    }),
    route({
      method: "POST",
      path: "/api/projects/:projectId/workspaces",
      summary: "A new workspace",
      params: projectParams,
      body: workspaceSchema,
      boardOnly: true,
      handle: async ({ params, body, actor, status }) => {
        const project = await findProject(db, actor, params.projectId);
        status(201);
        return insertWorkspace(db, project, body);
      },
    }),
  ];
}
