/** The whole route table: one file per family. */
import type { Context } from "./context.js";
import { openApi } from "./openapi.js";
import type { AnyRoute } from "./route.js";
import { route } from "./route.js";
import { activityRoutes } from "./routes/activity.js";
import { agentCommandRoutes } from "./routes/agent-commands.js";
import { agentKeyRoutes } from "./routes/agent-keys.js";
import { agentStateRoutes } from "./routes/agent-state.js";
import { agentRoutes } from "./routes/agents.js";
import { companyRoutes } from "./routes/companies.js";
import { healthRoutes, version } from "./routes/health.js";
import { checkoutRoutes } from "./routes/issue-checkout.js";
import { commentRoutes } from "./routes/issue-comments.js";
import { issueRunRoutes } from "./routes/issue-runs.js";
import { issueRoutes } from "./routes/issues.js";
import { projectRoutes } from "./routes/projects.js";
import { runLogRoutes } from "./routes/run-log.js";
import { runRoutes } from "./routes/runs.js";
import { wakeRoutes } from "./routes/wakes.js";
import { workspaceRoutes } from "./routes/workspaces.js";

export function allRoutes(context: Context): AnyRoute[] {
  const routes = [
    companyRoutes,
    agentRoutes,
    agentCommandRoutes,
    agentKeyRoutes,
    agentStateRoutes,
    projectRoutes,
    workspaceRoutes,
    issueRoutes,
    commentRoutes,
    checkoutRoutes,
    issueRunRoutes,
    wakeRoutes,
    runRoutes,
    runLogRoutes,
    activityRoutes,
    healthRoutes,
  ].flatMap((family) => family(context));
  const document: AnyRoute = route({
    method: "GET",
    path: "/api/openapi.json",
    summary: "This description of the API",
    handle: async () => openApi([...routes, document], version),
  });
  return [...routes, document];
}
