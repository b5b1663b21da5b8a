/** I7: events of a run are numbered 1 to n, its row knows the last number, and its end is the last of them, once. */
import { rowCheck } from "../check.js";
import { closings, over } from "../words.js";

export const eventChecks = [
  rowCheck({
    invariant: "I7",
    title: "events of a run are numbered 1 to n, and its row knows n",
    unit: "runs",
    population: "heartbeat_runs",
    violating: `select r.id as "runId", r.status, r.last_event_seq as "lastEventSeq", e.first, e.last, e.n as events
      from heartbeat_runs r
      left join (select run_id, min(seq) as first, max(seq) as last, count(*)::int as n, count(distinct seq)::int as different
        from heartbeat_run_events group by run_id) e on e.run_id = r.id
      where r.last_event_seq <> coalesce(e.n, 0)
        or (e.n is not null and (e.first <> 1 or e.last <> e.n or e.different <> e.n))`,
  }),
  rowCheck({
    invariant: "I7",
    title: "a run is over exactly when its last event says so",
    unit: "runs",
    population: "heartbeat_runs",
    violating: `select r.id as "runId", r.status, e.seq, e.event_type as "eventType", e.message
      from heartbeat_runs r
      left join heartbeat_run_events e on e.run_id = r.id and e.seq = r.last_event_seq
      where (r.status in ${over}) is distinct from
        (coalesce(e.message = 'run ' || r.status, false) or coalesce(r.status = 'failed' and e.event_type = 'error', false))`,
  }),
  rowCheck({
    invariant: "I7",
    title: "a run ends once among its events",
    unit: "events",
    population: "heartbeat_run_events",
    violating: `select e.run_id as "runId", array_agg(e.message order by e.seq) as messages, array_agg(e.seq order by e.seq) as seqs
      from heartbeat_run_events e where e.event_type = 'lifecycle' and e.message in ${closings}
      group by e.run_id having count(*) > 1`,
  }),
];
