/** What a run's agent says of its own run: usage, session, result, and its final word. Kept by the agent's actor until the run ends. */
import { isDeepStrictEqual } from "node:util";
import { runReportedSchema } from "@reveille/shared/protocol/execution";
import type { RunReported } from "@reveille/shared/protocol/execution";
import { z } from "zod";
import type { Actor } from "../auth.js";
import type { Context } from "../context.js";
import { badField, conflict, forbidden } from "../errors.js";
import { findRunHead, runParams } from "../lookup.js";
import { ownRoute } from "../own-route.js";
import type { AnyRoute } from "../route.js";

const bodySchema = z.object({
  final: z
    .boolean()
    .default(false)
    .describe("The last word: a run that waits for it (an http agent that answered 202) ends"),
  attempt: z.int().min(1).optional().describe("Known from a run's token; else the current one"),
  ...runReportedSchema.shape.patch.shape,
});
type Body = z.output<typeof bodySchema>;
type Patch = RunReported["patch"];

const answerSchema = z.strictObject({
  runId: z.string(),
  status: z
    .enum(["committed", "accepted"])
    .describe("committed: it is kept; accepted: it will be decided in order"),
});

/** Longer than a decision takes on a healthy system; an agent should not wait for its own bookkeeping. */
const decidedMs = 5_000;

export function runReportRoutes(context: Context): AnyRoute[] {
  return [
    ownRoute({
      method: "POST",
      path: "/api/heartbeat-runs/:runId/report",
      summary:
        "Reports usage, session or result of a running run, with its own token or by the board",
      params: runParams,
      body: bodySchema,
      responses: { 200: answerSchema, 202: answerSchema },
      handle: async ({ params, body, actor, status }) => {
        const committed = await report(context, params.runId, body, actor);
        if (!committed) status(202);
        return { runId: params.runId, status: committed ? "committed" : "accepted" };
      },
    }),
  ];
}

/** True when Postgres shows it. @throws HttpError 400, 403, 404, 409. */
async function report(
  { db, commands, live }: Context,
  runId: string,
  { final, attempt: given, ...fields }: Body,
  actor: Actor,
): Promise<boolean> {
  const { companyId, agentId } = await findRunHead(db, actor, runId);
  if (actor.type === "agent" && actor.run?.id !== runId)
    throw forbidden("Only the run's own token may report on it");
  const patch = Object.fromEntries(
    Object.entries(fields).filter(([, value]) => value !== undefined),
  ) as Patch;
  if (!final && Object.keys(patch).length === 0)
    throw badField([], "nothing is reported: name a field, or say that it is final");
  const before = await read(db, runId);
  if (!before || before.status !== "running") throw over(before?.status);
  const attempt = actor.type === "agent" ? actor.run!.attempt : (given ?? before.attempt);
  if (attempt !== before.attempt) throw conflict("This attempt is over", { attempt });
  await commands.send(companyId, agentId, "run.reported", { runId, attempt, final, patch });
  const shown = await live.until(companyId, decidedMs, async () => {
    const run = await read(db, runId);
    if (run?.status !== "running" || run.attempt !== attempt) return "ended";
    return shows(run, final, patch) ? "kept" : null;
  });
  return shown !== null;
}

const over = (status = "gone") => conflict("Only a running run is reported on", { status });

const read = (db: Context["db"], id: string) =>
  db.query.heartbeatRuns.findFirst({
    columns: {
      status: true,
      attempt: true,
      reported: true,
      finishRequested: true,
      cancelRequestedAt: true,
    },
    where: (table, { eq }) => eq(table.id, id),
  });

function shows(
  run: NonNullable<Awaited<ReturnType<typeof read>>>,
  final: boolean,
  patch: Patch,
): boolean {
  // A run that is being cancelled ends anyway: its final word changes nothing any more.
  if (final && !run.finishRequested && !run.cancelRequestedAt) return false;
  // Usage and cost are kept apart from the rest: they add up over attempts.
  const kept: Record<string, unknown> = {
    ...(run.reported?.["patch"] as Patch | undefined),
    ...(run.reported?.["current"] as Patch | undefined),
  };
  return Object.entries(patch).every(([key, value]) => isDeepStrictEqual(kept[key], value));
}
