/** The lock of an issue, as its bucket and as Postgres have it: who works on it and who waits. Postgres is the last word. */
import { openBucket } from "@reveille/shared/nats/bucket";
import type { Bucket } from "@reveille/shared/nats/bucket";
import { lockKey, lockSchema } from "@reveille/shared/protocol/issue-lock";
import { topologyNames } from "@reveille/shared/protocol/topology";
import { z } from "zod";
import type { Context } from "../context.js";
import { findIssue, issueParams } from "../lookup.js";
import type { IssueRow } from "../lookup.js";
import { ownRoute } from "../own-route.js";
import type { AnyRoute } from "../route.js";

const holderSchema = z.strictObject({
  runId: z.string(),
  agentId: z.string(),
  agentName: z.string().nullable(),
  status: z.string(),
  phase: z.string(),
  since: z.iso.datetime().nullable().describe("When it was dispatched"),
});
const waiterSchema = z.strictObject({
  kind: z.enum(["wake", "run"]).describe("A deferred wake, or a run that gave its slot back"),
  wakeRequestId: z.string().nullable(),
  runId: z.string().nullable(),
  agentId: z.string(),
  agentName: z.string().nullable(),
  agentStatus: z.string().nullable(),
  requestedAt: z.iso.datetime(),
});
const answerSchema = z.strictObject({
  issueId: z.string(),
  identifier: z.string().nullable(),
  lock: lockSchema
    .extend({ revision: z.int() })
    .nullable()
    .describe("The value in the bucket; null: nobody holds it"),
  holder: holderSchema.nullable(),
  waiters: z.array(waiterSchema).describe("In the order in which they will get it"),
});

/** As many as the lock itself takes. */
const waitersMax = 256;

export function issueLockRoutes(context: Context): AnyRoute[] {
  const { db, bus, subjects } = context;
  let bucket: Promise<Bucket> | undefined;
  const open = (): Promise<Bucket> =>
    (bucket ??= openBucket(bus, topologyNames(subjects.prefix).issueLocks).catch(
      (error: unknown) => {
        bucket = undefined;
        throw error;
      },
    ));
  return [
    ownRoute({
      method: "GET",
      path: "/api/issues/:issueId/lock",
      summary: "Who holds the issue's lock and who waits for it",
      params: issueParams,
      responses: { 200: answerSchema },
      handle: async ({ params, actor }) => {
        const issue = await findIssue(db, actor, params.issueId);
        const [lock, holder, waiters] = await Promise.all([
          open().then((opened) => readLock(opened, issue)),
          holderOf(context, issue),
          waitersOf(context, issue),
        ]);
        return { issueId: issue.id, identifier: issue.identifier, lock, holder, waiters };
      },
    }),
  ];
}

async function readLock(bucket: Bucket, issue: IssueRow) {
  const entry = await bucket.get(lockKey(issue.companyId, issue.id));
  const read = lockSchema.safeParse(entry && parse(entry.value));
  return entry && read.success ? { ...read.data, revision: entry.revision } : null;
}

function parse(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(bytes).toString());
  } catch {
    return null; // protects nobody; the next host that needs the lock writes it anew
  }
}

async function holderOf({ pool }: Context, issue: IssueRow) {
  const { rows } = await pool.query(
    `select r.id as "runId", r.agent_id as "agentId", a.name as "agentName", r.status, r.phase,
       r.dispatched_at as since
     from heartbeat_runs r left join agents a on a.id = r.agent_id
     where r.issue_id = $1 and r.holds_issue`,
    [issue.id],
  );
  return (rows[0] as unknown) ?? null;
}

async function waitersOf({ pool }: Context, issue: IssueRow): Promise<unknown[]> {
  const { rows } = await pool.query(
    `select w.kind, w."wakeRequestId", w."runId", w."agentId", a.name as "agentName",
       a.status as "agentStatus", w."requestedAt"
     from (
       select 'wake' as kind, id as "wakeRequestId", run_id as "runId", agent_id as "agentId",
         requested_at as "requestedAt"
       from agent_wakeup_requests where issue_id = $1 and company_id = $2 and waits
       union all
       select 'run', wakeup_request_id, id, agent_id, created_at
       from heartbeat_runs where issue_id = $1 and company_id = $2 and phase = 'waiting'
     ) w left join agents a on a.id = w."agentId"
     order by w."requestedAt", w."wakeRequestId" limit $3`,
    [issue.id, issue.companyId, waitersMax],
  );
  return rows;
}
