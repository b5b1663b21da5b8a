/** Waking an agent over HTTP, and asking what became of a wake. */
import { uuidSchema } from "@reveille/shared/protocol/ids";
import {
  triggerDetails,
  wakeIdSchema,
  wakeOutcomes,
  wakeRequestSchema,
  wakeSources,
} from "@reveille/shared/protocol/wake";
import type { Verdict, WakeRequest } from "@reveille/shared/protocol/wake";
import { z } from "zod";
import type { Activity } from "../activity.js";
import { requester } from "../auth.js";
import type { Context } from "../context.js";
import { conflict, forbidden, HttpError, notFound, overloaded } from "../errors.js";
import { agentParams, agentQuery, findAgent } from "../lookup.js";
import { presentRun, runSchema } from "../present.js";
import type { AnyRoute } from "../route.js";
import { route } from "../route.js";

const { reason, payload, idempotencyKey } = wakeRequestSchema.shape;
const wakeupSchema = z.object({
  source: z.enum(wakeSources).default("on_demand"),
  triggerDetail: z.enum(triggerDetails).default("manual"),
  reason,
  payload,
  idempotencyKey,
});
type Wakeup = z.output<typeof wakeupSchema>;

const wokenSchema = z.union([
  runSchema,
  z
    .strictObject({
      status: z.literal("skipped"),
      outcome: z.enum(wakeOutcomes),
      reason: z.string().optional(),
      wakeId: z.string(),
    })
    .describe("No run of its own: skipped by policy, or deferred until its issue is free"),
  z
    .strictObject({ status: z.literal("accepted"), wakeId: z.string() })
    .describe("It will be decided; /api/wakes has the verdict then"),
]);
const verdictSchema = z.strictObject({
  outcome: z.enum(wakeOutcomes),
  wakeId: z.string(),
  requestId: z.string().optional(),
  run: runSchema.optional(),
  reason: z.string().optional(),
  details: z.union([z.record(z.string(), z.unknown()), z.array(z.unknown())]).optional(),
});

/** A queue that is full now has room when a run has ended. */
const retryAfterSec = 5;

export function wakeRoutes(context: Context): AnyRoute[] {
  const { db, wakes } = context;
  const wake = async (call: {
    params: z.output<typeof agentParams>;
    query: z.output<typeof agentQuery>;
    actor: Activity["actor"];
    runId: string | null;
    body: Wakeup;
    status: (code: number) => void;
  }): Promise<unknown> => {
    const { actor, body } = call;
    const agent = await findAgent(db, actor, call.params.agentId, call.query.companyId);
    if (actor.type === "agent" && actor.id !== agent.id)
      throw forbidden("Agent can only invoke itself");
    const { wakeId, verdict } = await wakes.submit(
      agent.companyId,
      agent.id,
      wakeRequest(body, actor),
    );
    context.metrics.count("reveille_wakes_total", { outcome: verdict?.outcome ?? "undecided" });
    call.status(202);
    if (!verdict) return { status: "accepted", wakeId };
    if (verdict.outcome === "rejected") throw rejection(verdict);
    if (!verdict.run || verdict.outcome === "deferred" || verdict.outcome === "skipped")
      return { status: "skipped", outcome: verdict.outcome, reason: verdict.reason, wakeId };
    await tellInvoked(context, agent, verdict.run, call);
    return presentRun(verdict.run);
  };
  return [
    route({
      method: "POST",
      path: "/api/agents/:agentId/wakeup",
      summary:
        "Wakes an agent: 202 with the run, with skipped, or with accepted when it is not decided yet",
      params: agentParams,
      query: agentQuery,
      body: wakeupSchema,
      responses: { 202: wokenSchema },
      handle: wake,
    }),
    route({
      method: "POST",
      path: "/api/agents/:agentId/heartbeat/invoke",
      summary: "Wakes an agent without saying why",
      params: agentParams,
      query: agentQuery,
      responses: { 202: wokenSchema },
      handle: (call) => wake({ ...call, body: { source: "on_demand", triggerDetail: "manual" } }),
    }),
    route({
      method: "GET",
      path: "/api/wakes/:agentId/:wakeId",
      summary: "The verdict on a wake; 404 while there is none",
      params: z.object({ agentId: uuidSchema, wakeId: wakeIdSchema }),
      responses: { 200: verdictSchema },
      handle: async ({ params, actor }) => {
        const agent = await findAgent(db, actor, params.agentId);
        const verdict = await wakes.stored(agent.id, params.wakeId);
        if (!verdict) throw notFound("Verdict");
        return verdict.run ? { ...verdict, run: presentRun(verdict.run) } : verdict;
      },
    }),
  ];
}

/** Who asked is what the gateway knows, never what the body says. */
function wakeRequest(body: Wakeup, actor: Activity["actor"]): WakeRequest {
  const { actorType, actorId } = requester(actor);
  return {
    ...body,
    requestedByActorType: actorType,
    requestedByActorId: actorId,
    contextSnapshot: { triggeredBy: actor.type, actorId },
  };
}

/** Writes down, and tells, who caused a run. */
export async function tellInvoked(
  { db, activity }: Context,
  agent: { id: string; companyId: string },
  run: Record<string, unknown>,
  call: { actor: Activity["actor"]; runId: string | null },
): Promise<void> {
  const entry: Activity = {
    companyId: agent.companyId,
    actor: call.actor,
    runId: call.runId,
    action: "heartbeat.invoked",
    entityType: "heartbeat_run",
    entityId: String(run["id"]),
    details: { agentId: agent.id },
  };
  await activity.write(db, entry);
  activity.tell(entry);
}

/** The actor's no, in HTTP. */
export function rejection({ reason: why, details, wakeId }: Verdict): HttpError {
  switch (why) {
    case "agent_not_found":
      return notFound("Agent");
    case "agent_not_invokable":
      return conflict("Agent is not invokable in its current state", details);
    case "queue_full":
      return overloaded(429, "The agent's queue is full", retryAfterSec);
    case "issue_queue_full":
      return overloaded(429, "The issue's queue is full", retryAfterSec);
    case "invalid":
      return new HttpError(400, "Validation error", { details: details?.["issues"] ?? [] });
    case undefined:
    default:
      return conflict("The wake was rejected", { reason: why, wakeId, ...details });
  }
}
