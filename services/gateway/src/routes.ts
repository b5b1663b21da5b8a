/** The whole route table: one file per family, and the tag under which a family stands in the API's description. */
import { z } from "zod";
import type { Context } from "./context.js";
import { openApi } from "./openapi.js";
import type { AnyRoute } from "./route.js";
import { route } from "./route.js";
import { activityRoutes } from "./routes/activity.js";
import { agentCommandRoutes } from "./routes/agent-commands.js";
import { agentKeyRoutes } from "./routes/agent-keys.js";
import { agentMailboxRoutes } from "./routes/agent-mailbox.js";
import { agentTestRoutes } from "./routes/agent-tests.js";
import { agentStateRoutes } from "./routes/agent-state.js";
import { agentRoutes } from "./routes/agents.js";
import { boardTokenRoutes } from "./routes/board-tokens.js";
import { agentConfigurationRoutes } from "./routes/agent-configurations.js";
import { agentHireRoutes } from "./routes/agent-hires.js";
import { approvalRoutes } from "./routes/approvals.js";
import { approvalDecisionRoutes } from "./routes/approval-decisions.js";
import { issueApprovalRoutes } from "./routes/issue-approvals.js";
import { adapterRoutes } from "./routes/adapters.js";
import { budgetRoutes } from "./routes/budgets.js";
import { costEventRoutes } from "./routes/cost-events.js";
import { costRoutes } from "./routes/costs.js";
import { dashboardRoutes } from "./routes/dashboard.js";
import { secretRoutes } from "./routes/secrets.js";
import { companyRoutes } from "./routes/companies.js";
import { deadLetterRoutes } from "./routes/dead-letters.js";
import { healthRoutes, version } from "./routes/health.js";
import { infrastructureRoutes } from "./routes/infrastructure.js";
import { checkoutRoutes } from "./routes/issue-checkout.js";
import { askRoutes } from "./routes/asks.js";
import { commentRoutes } from "./routes/issue-comments.js";
import { issueLockRoutes } from "./routes/issue-lock.js";
import { issueRunRoutes } from "./routes/issue-runs.js";
import { issueRoutes } from "./routes/issues.js";
import { logStreamRoutes } from "./routes/log-stream.js";
import { meRoutes } from "./routes/me.js";
import { projectRoutes } from "./routes/projects.js";
import { runLogRoutes } from "./routes/run-log.js";
import { runReportRoutes } from "./routes/run-report.js";
import { runRoutes } from "./routes/runs.js";
import { sessionRoutes } from "./routes/session.js";
import { wakeRequestRoutes } from "./routes/wake-requests.js";
import { wakeRoutes } from "./routes/wakes.js";
import { workspaceRoutes } from "./routes/workspaces.js";

const families: readonly (readonly [tag: string, routes: (context: Context) => AnyRoute[]])[] = [
  ["Companies", companyRoutes],
  ["Agents", agentRoutes],
  ["Agents", meRoutes],
  ["Agents", agentCommandRoutes],
  ["Agents", agentKeyRoutes],
  ["Agents", agentStateRoutes],
  ["Agents", agentConfigurationRoutes],
  ["Agents", agentHireRoutes],
  ["Approvals", approvalRoutes],
  ["Approvals", approvalDecisionRoutes],
  ["Approvals", issueApprovalRoutes],
  ["Mailboxes", agentMailboxRoutes],
  ["Mailboxes", wakeRoutes],
  ["Mailboxes", askRoutes],
  ["Mailboxes", wakeRequestRoutes],
  ["Mailboxes", deadLetterRoutes],
  ["Adapters", adapterRoutes],
  ["Adapters", agentTestRoutes],
  ["Costs", budgetRoutes],
  ["Costs", costEventRoutes],
  ["Costs", costRoutes],
  ["Companies", dashboardRoutes],
  ["Secrets", secretRoutes],
  ["Projects", projectRoutes],
  ["Projects", workspaceRoutes],
  ["Issues", issueRoutes],
  ["Issues", commentRoutes],
  ["Issues", checkoutRoutes],
  ["Issues", issueRunRoutes],
  ["Issues", issueLockRoutes],
  ["Runs", runRoutes],
  ["Runs", runLogRoutes],
  ["Runs", logStreamRoutes],
  ["Runs", runReportRoutes],
  ["Companies", activityRoutes],
  ["Access", boardTokenRoutes],
  ["Access", sessionRoutes],
  ["System", infrastructureRoutes],
  ["System", healthRoutes],
];

export function allRoutes(context: Context): AnyRoute[] {
  const routes = families.flatMap(([tag, family]) =>
    family(context).map((each) => ({ ...each, tag })),
  );
  const document: AnyRoute = {
    ...route({
      method: "GET",
      path: "/api/openapi.json",
      summary: "This description of the API",
      responses: { 200: z.looseObject({ openapi: z.literal("3.1.0") }) },
      handle: async () => openApi([...routes, document], version, context.mode),
    }),
    tag: "System",
  };
  return [...routes, document];
}
