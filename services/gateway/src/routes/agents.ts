/** Agents: made here, changed only through their mailbox ever after. */
import { isDeepStrictEqual } from "node:util";
import { agents } from "@reveille/shared/postgres/schema";
import { newId, uuidSchema } from "@reveille/shared/protocol/ids";
import { partitionOf } from "@reveille/shared/protocol/partition";
import { nextDueAfter, readTimetable, scheduleFault } from "@reveille/shared/protocol/schedule";
import { z } from "zod";
import type { Activity } from "../activity.js";
import { requester } from "../auth.js";
import type { Context } from "../context.js";
import { HttpError } from "../errors.js";
import { agentParams, agentQuery, companyParams, findAgent, findCompany } from "../lookup.js";
import { presentAgent } from "../present.js";
import type { AnyRoute } from "../route.js";
import { route } from "../route.js";

/** Adapters that runners know; an agent of another kind would never run. */
const adapterTypes = ["process", "noop", "http", "claude_local", "codex_local"] as const;

const jsonObject = z.record(z.string(), z.unknown());
const settings = {
  name: z.string().min(1).max(200),
  adapterType: z.enum(adapterTypes),
  adapterConfig: jsonObject,
  runtimeConfig: jsonObject.superRefine((runtimeConfig, context) => {
    const fault = scheduleFault(runtimeConfig);
    if (fault) context.addIssue({ code: "custom", ...fault });
  }),
};
const createSchema = z.object({
  name: settings.name,
  role: z.string().min(1).max(64).default("general"),
  title: z.string().max(200).nullish(),
  icon: z.string().max(100).nullish(),
  reportsTo: uuidSchema.nullish(),
  capabilities: z.string().max(10_000).nullish(),
  adapterType: settings.adapterType.default("process"),
  adapterConfig: settings.adapterConfig.default({}),
  runtimeConfig: settings.runtimeConfig.default({}),
  budgetMonthlyCents: z.number().int().min(0).max(2_147_483_647).default(0),
  metadata: jsonObject.nullish(),
});
const patchSchema = z.object(settings).partial();

/** Agents in one answer, about 10 MB of JSON. */
const listMax = 10_000;
/** How long a change may take to show in the row. */
const changeMs = 10_000;

export function agentRoutes(context: Context): AnyRoute[] {
  const { db } = context;
  return [
    route({
      method: "GET",
      path: "/api/companies/:companyId/agents",
      summary: "Agents of a company that are not terminated, oldest first, 10,000 at most",
      params: companyParams,
      handle: async ({ params, actor }) => {
        await findCompany(db, actor, params.companyId);
        const rows = await db.query.agents.findMany({
          where: (table, { and, eq, ne }) =>
            and(eq(table.companyId, params.companyId), ne(table.status, "terminated")),
          orderBy: (table, { asc }) => [asc(table.createdAt), asc(table.id)],
          limit: listMax,
        });
        return rows.map(presentAgent);
      },
    }),
    route({
      method: "POST",
      path: "/api/companies/:companyId/agents",
      summary: "A new agent",
      params: companyParams,
      body: createSchema,
      boardOnly: true,
      handle: async ({ params, body, actor, runId, status }) => {
        await findCompany(db, actor, params.companyId);
        const created = await insertAgent(context, params.companyId, body, (row) => ({
          companyId: row.companyId,
          actor,
          runId,
          action: "agent.created",
          entityType: "agent",
          entityId: row.id,
          details: { name: row.name, role: row.role },
        }));
        status(201);
        return presentAgent(created);
      },
    }),
    route({
      method: "GET",
      path: "/api/agents/:agentId",
      summary: "One agent, by id or by short name with companyId",
      params: agentParams,
      query: agentQuery,
      handle: async ({ params, query, actor }) =>
        presentAgent(await findAgent(db, actor, params.agentId, query.companyId)),
    }),
    route({
      method: "PATCH",
      path: "/api/agents/:agentId",
      summary: "Changes name, adapter or configuration; answers when the agent's actor has done it",
      params: agentParams,
      query: agentQuery,
      body: patchSchema,
      boardOnly: true,
      handle: ({ params, query, body, actor, runId }) =>
        patchAgent(context, { params, query, body, actor, runId }),
    }),
  ];
}

type NewAgent = z.output<typeof createSchema>;
type AgentInsert = typeof agents.$inferSelect;

/** Writes the agent with its partition, and the due time of its first timer, counted from its creation. */
async function insertAgent(
  { db, activity, partitionCount }: Context,
  companyId: string,
  body: NewAgent,
  describe: (row: AgentInsert) => Activity,
): Promise<AgentInsert> {
  if (body.reportsTo) {
    const { reportsTo } = body;
    const manager = await db.query.agents.findFirst({
      where: (table, { and, eq }) => and(eq(table.id, reportsTo), eq(table.companyId, companyId)),
    });
    if (!manager) throw new HttpError(422, "reportsTo is no agent of this company");
  }
  const id = newId();
  const now = new Date();
  const dueMs = nextDueAfter(readTimetable(body.runtimeConfig).schedule, now.getTime());
  const { row, created } = await db.transaction(async (tx) => {
    const [inserted] = await tx
      .insert(agents)
      .values({
        ...body,
        id,
        companyId,
        partition: partitionOf(id, partitionCount),
        nextTimerAt: dueMs === null ? null : new Date(dueMs),
        createdAt: now,
        updatedAt: now,
      })
      .returning();
    if (!inserted) throw new Error("the insert returned no row");
    const entry = describe(inserted);
    await activity.write(tx, entry);
    return { row: inserted, created: entry };
  });
  activity.tell(created);
  return row;
}

async function patchAgent(
  { db, commands, live, activity }: Context,
  call: {
    params: z.output<typeof agentParams>;
    query: z.output<typeof agentQuery>;
    body: z.output<typeof patchSchema>;
    actor: Activity["actor"];
    runId: string | null;
  },
): Promise<unknown> {
  const { body, actor, runId } = call;
  const agent = await findAgent(db, actor, call.params.agentId, call.query.companyId);
  const changes = Object.entries(body).filter(([, value]) => value !== undefined);
  if (changes.length === 0) return presentAgent(agent);
  const { actorType, actorId } = requester(actor);
  await commands.send(agent.companyId, agent.id, "configure", {
    ...Object.fromEntries(changes),
    actorType,
    actorId,
  });
  const changed = await live.until(agent.companyId, changeMs, async () => {
    const row = await findAgent(db, actor, agent.id);
    const fields = row as Record<string, unknown>;
    return changes.every(([key, value]) => isDeepStrictEqual(fields[key], value)) ? row : null;
  });
  if (!changed) throw new HttpError(503, "The change is accepted and not applied yet");
  const entry: Activity = {
    companyId: agent.companyId,
    actor,
    runId,
    action: "agent.updated",
    entityType: "agent",
    entityId: agent.id,
    details: { changedTopLevelKeys: changes.map(([key]) => key) },
  };
  await activity.write(db, entry);
  activity.tell(entry);
  return presentAgent(changed);
}
