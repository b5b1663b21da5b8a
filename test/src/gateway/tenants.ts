// Owns rows that tests of the gateway put beside its own: a first token, runs that no actor made. Knows no route.
import { createHash, randomUUID } from "node:crypto";
import type pg from "pg";

/** A board token, as `reveille board-token create` makes it. */
export async function createBoardToken(
  database: pg.Pool,
  companyId: string | null = null,
): Promise<string> {
  const token = `rvb_${randomUUID().replaceAll("-", "")}`;
  await database.query(
    "insert into board_tokens (name, company_id, token_hash) values ('test', $1, $2)",
    [companyId, createHash("sha256").update(token).digest("hex")],
  );
  return token;
}

/** A run, running in its first attempt unless said otherwise. */
export async function insertRun(
  database: pg.Pool,
  run: { companyId: string; agentId: string; claimId?: string; status?: string; issueId?: string },
): Promise<string> {
  const runId = randomUUID();
  const { companyId, agentId, claimId = randomUUID(), status = "running", issueId = null } = run;
  await database.query(
    `insert into heartbeat_runs (id, company_id, agent_id, status, phase, attempt, claim_id, issue_id,
       log_store, log_ref, partition, wake_id, generation, stream_seq)
     values ($1, $2, $3, $4, case when $4 = 'running' then 'running' else 'over' end, 1, $5, $6,
       'nats', 'ref', 0, 'w', 1, 1)`,
    [runId, companyId, agentId, status, claimId, issueId],
  );
  return runId;
}
