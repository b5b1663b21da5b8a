/** What lies before an agent: messages not decided yet, runs in their order with what they wait for, and its next timer. */
import { firstStoredFrom } from "@reveille/shared/nats/inspection";
import { readTimetable } from "@reveille/shared/protocol/schedule";
import { topologyNames } from "@reveille/shared/protocol/topology";
import { z } from "zod";
import type { Context } from "../context.js";
import { agentParams, agentQuery, findAgent } from "../lookup.js";
import type { AgentRow } from "../lookup.js";
import { ownRoute } from "../own-route.js";
import type { AnyRoute } from "../route.js";

const reasons = ["slot", "issue", "delay", "agent", "runner", "none"] as const;
const runSchema = z.strictObject({
  runId: z.string(),
  status: z.string(),
  phase: z.string(),
  waitsFor: z
    .enum(reasons)
    .describe(
      "slot: all slots of the agent are taken; issue: another run holds it; delay: not before `notBefore`; " +
        "agent: it is paused or not approved; runner: sent, no runner has started it; none: it runs",
    ),
  reason: z
    .string()
    .nullable()
    .describe("In words, where it waits for a runner: no runner in its pool, all slots taken"),
  pool: z.string(),
  issueId: z.string().nullable(),
  taskKey: z.string().nullable(),
  attempt: z.int(),
  createdAt: z.iso.datetime(),
  notBefore: z.iso.datetime().nullable(),
  startedAt: z.iso.datetime().nullable(),
  cancelRequestedAt: z.iso.datetime().nullable(),
});
const deferredSchema = z.strictObject({
  wakeRequestId: z.string(),
  issueId: z.string().nullable(),
  reason: z.string().nullable(),
  coalescedCount: z.int(),
  requestedAt: z.iso.datetime(),
});
const undecidedSchema = z.strictObject({
  sequence: z.int(),
  kind: z.string(),
  storedAt: z.iso.datetime(),
});
const answerSchema = z.strictObject({
  agentId: z.string(),
  status: z.string(),
  partition: z.int(),
  undecided: z.array(undecidedSchema).describe("Messages in the mailbox, oldest first, 50 at most"),
  slots: z.strictObject({ max: z.int(), used: z.int() }),
  runs: z.array(runSchema).describe("Live runs in the order of their wakes, 1,000 at most"),
  deferred: z.array(deferredSchema).describe("Wakes that wait for an issue, 1,000 at most"),
  schedule: z.strictObject({
    kind: z.enum(["none", "interval", "cron"]),
    periodMs: z.number().optional(),
    cron: z.string().optional(),
    timezone: z.string().optional(),
    catchUp: z.enum(["once", "skip"]),
    nextTimerAt: z.iso.datetime().nullable(),
  }),
});
type RunView = z.input<typeof runSchema>;

const listMax = 1_000;
/** Each costs a question to the stream; a mailbox that is behind by more is told by the partition's lag. */
const undecidedMax = 50;

export function agentMailboxRoutes(context: Context): AnyRoute[] {
  return [
    ownRoute({
      method: "GET",
      path: "/api/agents/:agentId/mailbox",
      summary:
        "Mailbox and queue of an agent: what is undecided, what waits and for what, slots, next timer",
      params: agentParams,
      query: agentQuery,
      responses: { 200: answerSchema },
      handle: async ({ params, query, actor }) => {
        const agent = await findAgent(context.db, actor, params.agentId, query.companyId);
        const [undecided, live, deferred] = await Promise.all([
          undecidedOf(context, agent),
          liveRuns(context, agent),
          deferredWakes(context, agent),
        ]);
        const used = live.filter(({ phase }) => hasSlot(phase)).length;
        const { schedule, catchUp } = readTimetable(agent.runtimeConfig);
        return {
          agentId: agent.id,
          status: agent.status,
          partition: agent.partition,
          undecided,
          slots: { max: slotsOf(agent.runtimeConfig), used },
          runs: await withReasons(context, agent, live),
          deferred,
          schedule: { ...schedule, catchUp, nextTimerAt: agent.nextTimerAt },
        };
      },
    }),
  ];
}

const hasSlot = (phase: string): boolean => ["dispatched", "running", "cancelling"].includes(phase);

function waitsFor(
  agent: AgentRow,
  run: { phase: string; notBefore: Date | null },
): RunView["waitsFor"] {
  if (run.phase === "dispatched") return "runner";
  if (hasSlot(run.phase)) return "none";
  if (run.phase === "waiting") return "issue";
  if (["paused", "pending_approval", "terminated"].includes(agent.status)) return "agent";
  return run.notBefore && run.notBefore.getTime() > Date.now() ? "delay" : "slot";
}

/** Each run with what it waits for; a pool is asked about once. */
async function withReasons<Run extends { phase: string; pool: string; notBefore: Date | null }>(
  { runnerPools }: Context,
  agent: AgentRow,
  runs: readonly Run[],
): Promise<(Run & Pick<RunView, "waitsFor" | "reason">)[]> {
  const sent = new Set(runs.flatMap(({ phase, pool }) => (phase === "dispatched" ? [pool] : [])));
  const why = new Map<string, string>();
  for (const pool of sent) why.set(pool, await runnerPools.whyWaiting(pool));
  return runs.map((run) => {
    const waits = waitsFor(agent, run);
    return { ...run, waitsFor: waits, reason: waits === "runner" ? why.get(run.pool)! : null };
  });
}

/** How many runs the agent may have at a time, by the actor's rule: 1 to 10, 1 where it says nothing of use. */
function slotsOf(runtimeConfig: Record<string, unknown>): number {
  const heartbeat = runtimeConfig["heartbeat"] as
    { maxConcurrentRuns?: unknown } | null | undefined;
  const wanted = heartbeat?.maxConcurrentRuns;
  if (typeof wanted !== "number" || !Number.isFinite(wanted)) return 1;
  return Math.min(10, Math.max(1, Math.floor(wanted)));
}

const liveRuns = ({ db }: Context, agent: AgentRow) =>
  db.query.heartbeatRuns
    .findMany({
      columns: {
        id: true,
        status: true,
        phase: true,
        pool: true,
        issueId: true,
        taskKey: true,
        attempt: true,
        createdAt: true,
        notBefore: true,
        startedAt: true,
        cancelRequestedAt: true,
      },
      where: (table, { and, eq }) =>
        and(
          eq(table.companyId, agent.companyId),
          eq(table.agentId, agent.id),
          eq(table.live, true),
        ),
      orderBy: (table, { asc }) => [asc(table.generation), asc(table.streamSeq), asc(table.id)],
      limit: listMax,
    })
    .then((rows) => rows.map(({ id, ...run }) => ({ runId: id, ...run })));

const deferredWakes = ({ db }: Context, agent: AgentRow) =>
  db.query.agentWakeupRequests
    .findMany({
      columns: { id: true, issueId: true, reason: true, coalescedCount: true, requestedAt: true },
      where: (table, { and, eq }) => and(eq(table.agentId, agent.id), eq(table.waits, true)),
      orderBy: (table, { asc }) => [asc(table.requestedAt), asc(table.id)],
      limit: listMax,
    })
    .then((rows) => rows.map(({ id, ...wake }) => ({ wakeRequestId: id, ...wake })));

/** What the stream has for the agent behind its partition's cursor. */
async function undecidedOf({ pool, bus, subjects }: Context, agent: AgentRow) {
  const { rows } = await pool.query<{ cursor: number; current: boolean }>(
    `select p.cursor_seq::float8 as cursor, p.generation = m.generation as current
     from partitions p, mailbox_state m where p.partition = $1 and m.id = 1`,
    [agent.partition],
  );
  const found: z.input<typeof undecidedSchema>[] = [];
  // In a new generation the cursor counts in a stream that is gone: everything there is undecided.
  let from = rows[0]?.current ? rows[0].cursor + 1 : 1;
  const filter = `*.${agent.partition}.${agent.companyId}.${agent.id}.>`;
  const stream = topologyNames(subjects.prefix).mailbox;
  while (found.length < undecidedMax) {
    const message = await firstStoredFrom(bus, stream, filter, from);
    if (!message) break;
    found.push({
      sequence: message.seq,
      kind: message.subject.split(".").slice(4).join("."),
      storedAt: new Date(message.storedAtMs).toISOString(),
    });
    from = message.seq + 1;
  }
  return found;
}
