/**
 * What a reader of live events missed: the state of all agents and of the runs in question, and run
 * events by their numbers, all as of one instant. Exact for runs whose last number the reader names, because
 * numbers have no gaps; times only say which runs may be new to it.
 */
import { guarded } from "@reveille/shared/postgres/pool";
import type { Pool, PoolClient } from "@reveille/shared/postgres/pool";
import { uuidSchema } from "@reveille/shared/protocol/ids";
import { z } from "zod";
import { badField } from "./errors.js";

export interface CatchUpQuery {
  /** Runs made since then (and a little before) are new to the reader. */
  since: Date | null;
  /** The last event number that it has, by run. */
  known: ReadonlyMap<string, number>;
}
export interface CatchUpFrame {
  companyId: string;
  type: "snapshot" | "heartbeat.run.event" | "caught-up";
  createdAt: string;
  payload: Record<string, unknown>;
}

/** Runs that a reader may name: what a URL of 16 KiB holds. */
const knownMax = 350;
/** A run's time is that of its wake, which may be decided later: by as much as an owner can be away. */
const marginMs = 60_000;
const agentsMax = 10_000;
const runsMax = 1_000;
const eventsMax = 5_000;

/** Reads `snapshot`, `since` and `runs` of a query; null: nothing is asked for. @throws HttpError 400. */
export function readCatchUp(query: URLSearchParams): CatchUpQuery | null {
  const [snapshot, since, runs] = ["snapshot", "since", "runs"].map((name) => query.get(name));
  if (snapshot !== "1" && !since && !runs) return null;
  const time = since ? Date.parse(since) : null;
  if (time !== null && Number.isNaN(time)) throw badField(["since"], "must be an ISO 8601 time");
  const pairs = runs ? runs.split(",") : [];
  if (pairs.length > knownMax) throw badField(["runs"], `names at most ${knownMax} runs`);
  const known = pairs.map((pair) => {
    const read = knownSchema.safeParse(pair.split(":"));
    if (!read.success) throw badField(["runs"], "must be a list of <run id>:<last event number>");
    return read.data;
  });
  return { since: time === null ? null : new Date(time), known: new Map(known) };
}
const knownSchema = z.tuple([uuidSchema, z.coerce.number().int().min(0).max(2_147_483_647)]);

interface RunRow {
  runId: string;
  createdAt: Date;
  lastEventSeq: number;
}

/** The snapshot, the events, and a word that all was told (or that some was left out). */
export async function catchUp(
  pool: Pool,
  companyId: string,
  query: CatchUpQuery,
): Promise<CatchUpFrame[]> {
  const from = query.since ? new Date(query.since.getTime() - marginMs) : null;
  return atOneInstant(pool, async (client) => {
    const agents = await client.query(agentsSql, [companyId, agentsMax]);
    const runs = await client.query<RunRow>(runsSql, [
      companyId,
      from,
      [...query.known.keys()],
      runsMax + 1,
    ]);
    const shown = runs.rows.slice(0, runsMax);
    // Of a run that is older than the reader's absence and not named, nothing was missed that it followed.
    const wanted = shown.flatMap(({ runId, createdAt }) => {
      const seq = query.known.get(runId) ?? (from && createdAt >= from ? 0 : undefined);
      return seq === undefined ? [] : [{ runId, seq }];
    });
    const events = await client.query<{ createdAt: Date }>(eventsSql, [
      companyId,
      wanted.map(({ runId }) => runId),
      wanted.map(({ seq }) => seq),
      eventsMax + 1,
    ]);
    const frame = (type: CatchUpFrame["type"], at: Date, payload: object): CatchUpFrame => ({
      companyId,
      type,
      createdAt: at.toISOString(),
      payload: { ...payload },
    });
    const now = new Date();
    const complete = runs.rows.length <= runsMax && events.rows.length <= eventsMax;
    return [
      frame("snapshot", now, { agents: agents.rows, runs: shown }),
      ...events.rows
        .slice(0, eventsMax)
        .map(({ createdAt, ...event }) => frame("heartbeat.run.event", createdAt, event)),
      frame("caught-up", now, { complete }),
    ];
  });
}

async function atOneInstant<T>(pool: Pool, read: (client: PoolClient) => Promise<T>): Promise<T> {
  return guarded("catch-up", async () => {
    const client = await pool.connect();
    try {
      await client.query("begin transaction isolation level repeatable read read only");
      const found = await read(client);
      await client.query("commit");
      client.release();
      return found;
    } catch (error) {
      // A connection in the middle of a transaction is of no use to the next one.
      client.release(true);
      throw error;
    }
  });
}

const agentsSql = `select id as "agentId", status, last_heartbeat_at as "lastHeartbeatAt"
  from agents where company_id = $1 and deleted_at is null order by id limit $2`;

/** Three ways to a run, each with an index of its own. */
const runsSql = `select r.id as "runId", r.agent_id as "agentId", r.status, r.issue_id as "issueId",
    r.invocation_source as "invocationSource", r.trigger_detail as "triggerDetail", r.error,
    r.error_code as "errorCode", r.created_at as "createdAt", r.started_at as "startedAt",
    r.finished_at as "finishedAt", r.last_event_seq as "lastEventSeq"
  from heartbeat_runs r where r.company_id = $1 and r.id in (
    (select id from heartbeat_runs where company_id = $1 and live limit $4)
    union (select id from heartbeat_runs where company_id = $1 and created_at >= $2
           order by created_at desc limit $4)
    union select unnest($3::uuid[]))
  order by r.created_at desc, r.id limit $4`;

const eventsSql = `select e.run_id as "runId", e.agent_id as "agentId", e.seq, e.event_type as "eventType",
    e.stream, e.level, e.color, e.message, e.payload, e.created_at as "createdAt"
  from unnest($2::uuid[], $3::int[]) as k (run_id, seq)
  join heartbeat_run_events e on e.run_id = k.run_id and e.seq > k.seq
  where e.company_id = $1 order by e.created_at, e.id limit $4`;
