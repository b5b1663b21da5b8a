/**
 * What a batch needs to know beside the agents' states: verdicts that were given before (the same wake
 * id, or the first owner of an idempotency key) and the issues that wakes name. Read per batch, one
 * statement per table, never cached: the gateway writes issues, and sameness must be exact.
 */
import { guarded } from "@reveille/shared/postgres/pool";
import type { Sql } from "@reveille/shared/postgres/pool";
import { isUuid } from "@reveille/shared/protocol/ids";
import type { Session } from "@reveille/shared/protocol/session";
import type { Verdict } from "@reveille/shared/protocol/wake";
import type { Delivery, IssueFacts } from "../core/delivery.js";
import type { Json } from "../core/state.js";
import { issueIdOf, taskKeyOf } from "../core/context.js";
import { sessionKey } from "../core/state.js";

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
  /** By `<agent> <session key>`; those that this batch resets are taken out as that is decided. */
  taskSessions: Map<string, Session>;
  /** Ids of costs that are recorded; those of this batch are added as they are decided. */
  knownCosts: Set<string>;
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

const sessionStatement = {
  name: "batch_sessions",
  text: `select t.agent_id, t.adapter_type, t.task_key, t.session_params_json as params, t.session_display_id as "displayId"
    from (select distinct * from json_to_recordset($1::json) as x("agentId" uuid, "taskKey" text)) asked
    join agents a on a.id = asked."agentId"
    join agent_task_sessions t on t.company_id = a.company_id and t.agent_id = a.id and t.task_key = asked."taskKey"`,
};

/** @throws RuntimeError `StoreUnavailable`. */
export async function readFacts(pool: Sql, deliveries: readonly Delivery[]): Promise<Facts> {
  const asked: { agentId: string; wakeId: string | null; key: string | null }[] = [];
  const tasks: { agentId: string; taskKey: string }[] = [];
  const costIds: string[] = [];
  const issueIds = new Set<string>();
  for (const { message, agentId } of deliveries) {
    if (message.kind === "wake") {
      const { id, idempotencyKey, contextSnapshot, payload } = message.body;
      if (id !== undefined || idempotencyKey)
        asked.push({ agentId, wakeId: id ?? null, key: idempotencyKey ?? null });
      const taskKey = taskKeyOf(contextSnapshot ?? {}, payload ?? {});
      if (taskKey !== null) tasks.push({ agentId, taskKey });
      const issueId = issueIdOf(contextSnapshot ?? {}, payload ?? {});
      if (isUuid(issueId)) issueIds.add(issueId);
    } else if (message.kind === "timer")
      asked.push({ agentId, wakeId: message.body.id, key: null });
    else if (message.kind === "cost") costIds.push(message.body.id);
    else if (message.kind === "grant") issueIds.add(message.body.issueId);
  }
  const [given, issues, taskSessions, knownCosts] = await Promise.all([
    readVerdicts(pool, asked),
    readIssues(pool, [...issueIds]),
    readSessions(pool, tasks),
    readCosts(pool, costIds),
  ]);
  return { ...given, issues, taskSessions, knownCosts };
}

async function readVerdicts(
  pool: Sql,
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
  pool: Sql,
  ids: readonly string[],
): Promise<ReadonlyMap<string, IssueFacts>> {
  if (ids.length === 0) return new Map();
  const found = await guarded("read issues", () =>
    pool.query<IssueFacts>({ ...issueStatement, values: [ids] }),
  );
  return new Map(found.rows.map((issue) => [issue.id, issue]));
}

async function readSessions(pool: Sql, tasks: readonly object[]): Promise<Map<string, Session>> {
  if (tasks.length === 0) return new Map();
  const found = await guarded("read task sessions", () =>
    pool.query<{
      agent_id: string;
      adapter_type: string;
      task_key: string;
      params: Json | null;
      displayId: string | null;
    }>({ ...sessionStatement, values: [JSON.stringify(tasks)] }),
  );
  return new Map(
    found.rows.map(({ agent_id, adapter_type, task_key, params, displayId }) => [
      factKey(agent_id, sessionKey(adapter_type, task_key)),
      { params, displayId },
    ]),
  );
}

async function readCosts(pool: Sql, ids: readonly string[]): Promise<Set<string>> {
  if (ids.length === 0) return new Set();
  const found = await guarded("read costs", () =>
    pool.query<{ id: string }>({
      name: "batch_costs",
      text: "select id from cost_events where id = any($1::uuid[])",
      values: [ids],
    }),
  );
  return new Set(found.rows.map(({ id }) => id));
}

/** Postgres writes times into JSON with an offset; the API shows them all as UTC, milliseconds and `Z`. */
const shownTime = (key: string, value: unknown): unknown =>
  key.endsWith("_at") && typeof value === "string" ? new Date(value).toISOString() : value;

/** A row's columns under the names that the API shows: those of the run in the stored verdict. */
function apiNames(row: Json, verdict: Verdict): Json {
  const camel = Object.entries(row).map(
    ([key, value]) =>
      [key.replace(/_([a-z])/g, (_, c: string) => c.toUpperCase()), shownTime(key, value)] as const,
  );
  const all = Object.fromEntries(camel);
  const shown = verdict.run ? Object.keys(verdict.run) : Object.keys(all);
  return Object.fromEntries(shown.map((key) => [key, all[key] ?? null]));
}
