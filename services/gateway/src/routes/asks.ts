/**
 * One agent's question to another: a run of the other, with the asking run as its parent. It takes no issue's
 * lock, because the asker may hold that and wait. The answer is what the other's run ends with.
 */
import type { Database } from "@reveille/shared/postgres/pool";
import { newId, uuidSchema } from "@reveille/shared/protocol/ids";
import { wakeIdSchema, wakeOutcomes, wakeRequestSchema } from "@reveille/shared/protocol/wake";
import { z } from "zod";
import { askFault, waitingFor } from "../ask-chain.js";
import type { Ask } from "../ask-chain.js";
import type { Actor } from "../auth.js";
import type { Context } from "../context.js";
import { conflict, forbidden, notFound } from "../errors.js";
import { agentParams, agentQuery, findAgent, findIssue } from "../lookup.js";
import { ownRoute } from "../own-route.js";
import type { AnyRoute } from "../route.js";
import { rejection, tellInvoked } from "./wakes.js";

const bodySchema = z.object({
  message: z
    .string()
    .min(1)
    .max(16_384)
    .describe("What the other is to do or to say; it knows nothing else of the asking run"),
  issueId: z.string().optional().describe("An issue's id or key, for the other to read"),
  idempotencyKey: wakeRequestSchema.shape.idempotencyKey.describe("The same key asks once"),
});
const askedSchema = z.strictObject({
  wakeId: z.string(),
  agentId: z.string(),
  outcome: z.enum(wakeOutcomes).nullable().describe("null: it is stored and not decided yet"),
  runId: z.string().nullable(),
});
const statusSchema = z.strictObject({
  status: z
    .enum([
      "waiting",
      "queued",
      "running",
      "succeeded",
      "failed",
      "cancelled",
      "timed_out",
      "skipped",
    ])
    .describe("waiting: there is no run yet"),
  runId: z.string().nullable(),
  summary: z.string().nullable(),
  result: z.record(z.string(), z.unknown()).nullable(),
  error: z.string().nullable(),
});

export function askRoutes(context: Context): AnyRoute[] {
  return [
    ownRoute({
      method: "POST",
      path: "/api/agents/:agentId/ask",
      summary: "Asks another agent, with the token of a run that needs its help",
      params: agentParams,
      query: agentQuery,
      body: bodySchema,
      responses: { 202: askedSchema },
      handle: async ({ params, query, body, actor, status }) => {
        status(202);
        return ask(context, params.agentId, query.companyId, body, actor);
      },
    }),
    ownRoute({
      method: "GET",
      path: "/api/agents/:agentId/asks/:wakeId",
      summary: "What became of a question: its run's state, and the answer when it is over",
      params: z.object({ agentId: uuidSchema, wakeId: wakeIdSchema }),
      responses: { 200: statusSchema },
      handle: ({ params, actor }) => look(context, params, actor),
    }),
  ];
}

/** @throws HttpError 403, 404, 409, 429. */
async function ask(
  context: Context,
  reference: string,
  companyId: string | undefined,
  body: z.output<typeof bodySchema>,
  actor: Actor,
): Promise<z.input<typeof askedSchema>> {
  const { db, wakes } = context;
  if (actor.type !== "agent" || actor.run === null)
    throw forbidden("Only a run asks, with its own token: people and other programs use wakeup");
  const asked = await findAgent(db, actor, reference, companyId);
  const asker = await findAgent(db, actor, actor.id);
  const waiting = await waitingForRun(db, actor.run.id);
  const fault = askFault(waiting, asker, asked);
  if (fault) throw conflict(fault.message, { code: fault.code });
  const issue = body.issueId === undefined ? null : await findIssue(db, actor, body.issueId);
  const question: Ask = {
    runId: actor.run.id,
    agentId: asker.id,
    agentName: asker.name,
    message: body.message,
    issueId: issue?.id ?? null,
    chain: [...waiting, asker.id],
  };
  const { wakeId, verdict } = await wakes.submit(asked.companyId, asked.id, {
    source: "automation",
    triggerDetail: "callback",
    reason: "asked_by_agent",
    requestedByActorType: "agent",
    requestedByActorId: asker.id,
    ...(body.idempotencyKey ? { idempotencyKey: body.idempotencyKey } : {}),
    // A task of its own: a question joins no run that does something else, and waits for no issue.
    contextSnapshot: { taskKey: `ask:${newId()}`, ask: question },
  });
  context.metrics.count("reveille_wakes_total", { outcome: verdict?.outcome ?? "undecided" });
  if (verdict?.outcome === "rejected") throw rejection(verdict);
  if (verdict?.run) await tellInvoked(context, asked, verdict.run, { actor, runId: actor.run.id });
  const runId = verdict?.run ? String(verdict.run["id"]) : null;
  return { wakeId, agentId: asked.id, outcome: verdict?.outcome ?? null, runId };
}

async function waitingForRun(db: Database, runId: string): Promise<string[]> {
  const run = await db.query.heartbeatRuns.findFirst({
    columns: { contextSnapshot: true },
    where: (table, { eq }) => eq(table.id, runId),
  });
  return waitingFor(run?.contextSnapshot);
}

/** @throws HttpError 404. */
async function look(
  { db, wakes }: Context,
  { agentId, wakeId }: { agentId: string; wakeId: string },
  actor: Actor,
): Promise<z.input<typeof statusSchema>> {
  const agent = await findAgent(db, actor, agentId);
  const request = await db.query.agentWakeupRequests.findFirst({
    where: (table, { and, eq }) => and(eq(table.agentId, agent.id), eq(table.wakeId, wakeId)),
  });
  const nothing = { runId: null, summary: null, result: null, error: null };
  if (!request) {
    // A verdict without a row is a refusal. Without a verdict it is stored and will be decided.
    const verdict = await wakes.stored(agent.id, wakeId);
    return verdict
      ? { status: "skipped", ...nothing, error: verdict.reason ?? verdict.outcome }
      : { status: "waiting", ...nothing };
  }
  const { runId } = request;
  if (runId === null)
    return request.status === "skipped"
      ? { status: "skipped", ...nothing, error: request.reason }
      : { status: "waiting", ...nothing };
  const run = await db.query.heartbeatRuns.findFirst({
    columns: { status: true, resultJson: true, error: true },
    where: (table, { eq }) => eq(table.id, runId),
  });
  if (!run) throw notFound("Question");
  const status = statusSchema.shape.status.parse(run.status);
  const result = (run.resultJson ?? null) as Record<string, unknown> | null;
  const summary = typeof result?.["summary"] === "string" ? result["summary"] : null;
  return { status, runId, summary, result, error: run.error };
}
