/**
 * What a batch needs to know beside the agents' states: verdicts that were given before (the same wake
 * id, or the first owner of an idempotency key) and the issues that wakes name. Read per batch, one
 * statement per table, never cached: the gateway writes issues, and sameness must be exact.
 */
import { guarded } from "@reveille/shared/postgres/pool";
import type { Pool } from "@reveille/shared/postgres/pool";
import { isUuid } from "@reveille/shared/protocol/ids";
import type { Verdict } from "@reveille/shared/protocol/wake";
import type { Delivery, IssueFacts } from "../core/delivery.js";
import type { Json } from "../core/state.js";
import { issueIdOf } from "../core/context.js";

export interface KeyOwner {
  verdict: Verdict;
  run: Json | null;
}
export interface Facts {
  /** By `<agent> <wake id>`. */
  verdicts: Map<string, Verdict>;
  /** By `<agent> <idempotency key>`. */
  keyOwners: Map<string, KeyOwner>;
  issues: ReadonlyMap<string, IssueFacts>;
}
export const factKey = (agentId: string, id: string): string => `${agentId} ${id}`;

const verdictStatement = {
  name: "batch_verdicts",
  text: `with asked as (select * from json_to_recordset($1::json) as x("agentId" uuid, "wakeId" text, "key" text))
    select 'wake' as by, v.agent_id, v.wake_id as id, v.verdict, null::jsonb as run
      from asked join wake_verdicts v on v.agent_id = asked."agentId" and v.wake_id = asked."wakeId"
    union all
    select 'key', v.agent_id, v.idempotency_key, v.verdict, to_jsonb(r)
      from asked join wake_verdicts v on v.agent_id = asked."agentId" and v.idempotency_key = asked."key"
      left join heartbeat_runs r on r.id = v.run_id`,
};
const issueStatement = {
  name: "batch_issues",
  text: `select id, company_id as "companyId", project_id as "projectId" from issues where id = any($1::uuid[])`,
};

/** @throws RuntimeError `StoreUnavailable`. */
export async function readFacts(pool: Pool, deliveries: readonly Delivery[]): Promise<Facts> {
  const asked: { agentId: string; wakeId: string | null; key: string | null }[] = [];
  const issueIds = new Set<string>();
  for (const { message, agentId } of deliveries) {
    if (message.kind === "wake") {
      const { id, idempotencyKey, contextSnapshot, payload } = message.body;
      if (id !== undefined || idempotencyKey)
        asked.push({ agentId, wakeId: id ?? null, key: idempotencyKey ?? null });
      const issueId = issueIdOf(contextSnapshot ?? {}, payload ?? {});
      if (isUuid(issueId)) issueIds.add(issueId);
    } else if (message.kind === "timer")
      asked.push({ agentId, wakeId: message.body.id, key: null });
    else if (message.kind === "grant") issueIds.add(message.body.issueId);
  }
  const [given, issues] = await Promise.all([
    readVerdicts(pool, asked),
    readIssues(pool, [...issueIds]),
  ]);
  return { ...given, issues };
}

async function readVerdicts(
  pool: Pool,
  asked: readonly object[],
): Promise<Pick<Facts, "verdicts" | "keyOwners">> {
  const facts = { verdicts: new Map<string, Verdict>(), keyOwners: new Map<string, KeyOwner>() };
  if (asked.length === 0) return facts;
  const found = await guarded("read verdicts", () =>
    pool.query<{
      by: "wake" | "key";
      agent_id: string;
      id: string;
      verdict: Verdict;
      run: Json | null;
    }>({
      ...verdictStatement,
      values: [JSON.stringify(asked)],
    }),
  );
  for (const row of found.rows) {
    if (row.by === "wake") facts.verdicts.set(factKey(row.agent_id, row.id), row.verdict);
    else
      facts.keyOwners.set(factKey(row.agent_id, row.id), {
        verdict: row.verdict,
        run: row.run && apiNames(row.run, row.verdict),
      });
  }
  return facts;
}

async function readIssues(
  pool: Pool,
  ids: readonly string[],
): Promise<ReadonlyMap<string, IssueFacts>> {
  if (ids.length === 0) return new Map();
  const found = await guarded("read issues", () =>
    pool.query<IssueFacts>({ ...issueStatement, values: [ids] }),
  );
  return new Map(found.rows.map((issue) => [issue.id, issue]));
}

/** A row's columns under the names that the API shows: those of the run in the stored verdict. */
function apiNames(row: Json, verdict: Verdict): Json {
  const camel = Object.entries(row).map(
    ([key, value]) => [key.replace(/_([a-z])/g, (_, c: string) => c.toUpperCase()), value] as const,
  );
  const all = Object.fromEntries(camel);
  const shown = verdict.run ? Object.keys(verdict.run) : Object.keys(all);
  return Object.fromEntries(shown.map((key) => [key, all[key] ?? null]));
}
