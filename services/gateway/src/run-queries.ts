/** Lists of runs that need a join. */
import type { Pool } from "@reveille/shared/postgres/pool";
import { rowSchema } from "@reveille/shared/postgres/row-schema";
import { agents, heartbeatRuns } from "@reveille/shared/postgres/schema";

interface LiveRun extends Record<string, unknown> {
  issueId: string | null;
}

const agent = rowSchema(agents).shape;
/** What `liveRuns` gives, as JSON. */
export const liveRunSchema = rowSchema(heartbeatRuns)
  .pick({
    id: true,
    status: true,
    invocationSource: true,
    triggerDetail: true,
    startedAt: true,
    finishedAt: true,
    createdAt: true,
    agentId: true,
    issueId: true,
  })
  .extend({ agentName: agent.name, adapterType: agent.adapterType });

/**
 * Queued and running runs of a company (or of one issue of it), the newest first, padded with the
 * last ones that are over up to `minCount`. 1,000 at most.
 */
export async function liveRuns(
  pool: Pool,
  query: { companyId: string; issueId?: string; minCount?: number },
): Promise<LiveRun[]> {
  const columns = `r.id, r.status, r.invocation_source as "invocationSource",
    r.trigger_detail as "triggerDetail", r.started_at as "startedAt",
    r.finished_at as "finishedAt", r.created_at as "createdAt", r.agent_id as "agentId",
    a.name as "agentName", a.adapter_type as "adapterType", r.issue_id as "issueId"`;
  const live = await pool.query<LiveRun>(
    `select ${columns} from heartbeat_runs r join agents a on a.id = r.agent_id
     where r.company_id = $1 and ($2::uuid is null or r.issue_id = $2)
       and r.status in ('queued', 'running') order by r.created_at desc, r.id desc limit 1000`,
    [query.companyId, query.issueId ?? null],
  );
  const lacking = (query.minCount ?? 0) - live.rows.length;
  if (lacking <= 0) return live.rows;
  const recent = await pool.query<LiveRun>(
    `select ${columns} from heartbeat_runs r join agents a on a.id = r.agent_id
     where r.company_id = $1 and r.status not in ('queued', 'running')
     order by r.created_at desc, r.id desc limit $2`,
    [query.companyId, lacking],
  );
  return [...live.rows, ...recent.rows];
}
