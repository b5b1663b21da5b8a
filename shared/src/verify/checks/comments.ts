/** I19: a comment that woke an agent stands in the context of a run that began after it. */
import type { Check } from "../check.js";
import { rowCheck } from "../check.js";
import type { Evidence } from "../evidence.js";
import { pieces } from "../look-up.js";
import type { Found, Shown } from "../report.js";

/** What a gateway's comments have for an id; anybody may write anything into a payload. */
const uuidLike = "^[0-9a-f]{8}-[0-9a-f-]{27}$";

/** Of more than a hundred comments a context keeps the last, and their number. */
const inContext = (run: string, comment: string): string =>
  `(coalesce(${run}.context_snapshot -> 'wakeCommentIds', '[]') ? ${comment} or ${run}.context_snapshot ->> 'commentId' = ${comment}
    or ${run}.context_snapshot ->> 'wakeCommentId' = ${comment} or ${run}.context_snapshot ? 'wakeCommentCount')`;

async function commentsOfHistory({ history, snapshot, rowsMax }: Evidence): Promise<Found> {
  const comments = history!.operations.filter(
    ({ op, phase, agentId, commentId, outcome }) =>
      op === "comment" &&
      phase === "ok" &&
      agentId !== undefined &&
      commentId !== undefined &&
      outcome !== "skipped" &&
      outcome !== "rejected",
  );
  const wrong: Shown[] = [];
  for (const part of pieces(comments)) {
    const rows = await snapshot.query<Shown>(
      `select x.agent as "agentId", x.comment as "commentId" from unnest($1::uuid[], $2::text[], $3::float8[]) as x(agent, comment, at)
       where not exists (select 1 from heartbeat_runs r where r.agent_id = x.agent and ${inContext("r", "x.comment")}
         and (r.started_at is null or r.started_at >= to_timestamp(x.at / 1000.0)))`,
      [
        part.map(({ agentId }) => agentId),
        part.map(({ commentId }) => commentId),
        // A second: two clocks of one machine room.
        part.map(({ invokedAt }) => invokedAt - 1_000),
      ],
    );
    wrong.push(...rows);
  }
  return { looked: comments.length, violations: wrong.length, rows: wrong.slice(0, rowsMax) };
}

export const commentChecks: readonly Check[] = [
  rowCheck({
    invariant: "I19",
    title: "a comment's wake leads to a run that has the comment",
    unit: "wakes with a comment and a run",
    population: `agent_wakeup_requests where payload ->> 'commentId' ~ '${uuidLike}' and run_id is not null`,
    violating: `select w.id as "wakeRow", w.status, w.payload ->> 'commentId' as "commentId", r.id as "runId", r.started_at as "startedAt", w.requested_at as "requestedAt"
      from agent_wakeup_requests w join heartbeat_runs r on r.id = w.run_id
      where w.payload ->> 'commentId' ~ '${uuidLike}' and not (w.status = 'coalesced' and w.idempotency_key is not null)
        and not ${inContext("r", "(w.payload ->> 'commentId')")}`,
  }),
  rowCheck({
    invariant: "I19",
    title: "no comment joins a run that has begun",
    unit: "joined wakes with a comment",
    population: `agent_wakeup_requests where payload ->> 'commentId' ~ '${uuidLike}' and status = 'coalesced'`,
    // A repeated key gets the run of the first wake, which knew the comment.
    violating: `select w.id as "wakeRow", w.payload ->> 'commentId' as "commentId", r.id as "runId", r.started_at as "startedAt", w.requested_at as "requestedAt"
      from agent_wakeup_requests w join heartbeat_runs r on r.id = w.run_id
      where w.payload ->> 'commentId' ~ '${uuidLike}' and w.status = 'coalesced' and w.idempotency_key is null and r.started_at < w.requested_at`,
  }),
  {
    invariant: "I19",
    title: "an accepted comment reached a run that began after it",
    unit: "accepted comments",
    needs: ["history"],
    atRest: true,
    stage: "snapshot",
    run: commentsOfHistory,
  },
];
