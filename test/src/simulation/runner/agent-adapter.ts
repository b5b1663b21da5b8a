// Owns the adapter of simulated runners: starts one agent program by its plan and tells what it has used. Stands in place of every
// shipped adapter, because those read files and sockets.
import { defineAdapter } from "@reveille/runner/adapter";
import type { AdapterContext } from "@reveille/runner/adapter";
import { createCatalog } from "@reveille/runner/adapters/catalog";
import type { AdapterCatalog } from "@reveille/runner/adapters/catalog";
import { processResult } from "@reveille/runner/core/outcome";
import type { AgentPlan } from "./agent-plan.js";
import type { AgentOrders } from "./operating-system.js";

/** What each attempt is to do; asked once, when its adapter begins. */
export type PlanOf = (context: AdapterContext) => AgentPlan;

/** `types`: the adapter types of the world's agents. */
export const agentAdapters = (types: readonly string[], planOf: PlanOf): AdapterCatalog =>
  createCatalog(types.map((type) => agentAdapter(type, planOf)));

const agentAdapter = (type: string, planOf: PlanOf) =>
  defineAdapter({
    type,
    label: "Simulated",
    starts: "processes",
    configSchema: null,
    execute: async (context) => {
      const plan = planOf(context);
      const { companyId, issueId } = context.run;
      const orders: AgentOrders = { companyId, agentId: context.agent.id, issueId, plan };
      const used = plan.costUsd === null ? {} : { costUsd: plan.costUsd };
      context.report(used);
      const end = await context.launch({ command: "agent", args: [JSON.stringify(orders)] });
      return { ...processResult(end, null), ...used };
    },
  });
