/** I3: a wake that was taken on comes to exactly one end, and its run to the same. */
import type { Check } from "../check.js";
import { rowCheck } from "../check.js";
import { over, wakeOver } from "../words.js";

export const wakeChecks: readonly Check[] = [
  rowCheck({
    invariant: "I3",
    title: "a wake has a known status, and the time of its end exactly when it is over",
    unit: "wakes",
    population: "agent_wakeup_requests",
    violating: `select id, wake_id as "wakeId", status, waits, finished_at as "finishedAt" from agent_wakeup_requests
      where (status in ${wakeOver}) <> (finished_at is not null)
        or status not in ('queued', 'claimed', 'deferred_issue_execution', ${wakeOver.slice(1, -1)})
        or waits <> (status = 'deferred_issue_execution')`,
  }),
  rowCheck({
    invariant: "I3",
    title: "a run and its wake end together and alike",
    unit: "runs",
    population: "heartbeat_runs",
    violating: `select r.id as "runId", r.status, w.id as "wakeRow", w.status as "wakeStatus", w.run_id as "wakeNames"
      from heartbeat_runs r join agent_wakeup_requests w on w.id = r.wakeup_request_id
      where case when w.run_id = r.id then (r.status in ${over}) <> (w.finished_at is not null)
          or (r.status in ${over} and w.status <> case r.status when 'succeeded' then 'completed' else r.status end)
          or (r.status = 'running' and w.status <> 'claimed' and r.retry_of_run_id is null)
        else r.status not in ${over} or not exists (select 1 from heartbeat_runs n where n.retry_of_run_id = r.id) end`,
  }),
  rowCheck({
    invariant: "I3",
    title: "an open wake has a live run",
    unit: "open wakes",
    population: "agent_wakeup_requests where finished_at is null",
    violating: `select w.id, w.wake_id as "wakeId", w.status, w.run_id as "runId", r.status as "runStatus" from agent_wakeup_requests w
      left join heartbeat_runs r on r.id = w.run_id
      where w.finished_at is null and w.status in ('queued', 'claimed') and (r.id is null or not r.live)`,
  }),
  rowCheck({
    invariant: "I3",
    title: "a live run has a wake",
    unit: "live runs",
    population: "heartbeat_runs where live",
    violating: `select r.id as "runId", r.status, r.wakeup_request_id as "wakeRow" from heartbeat_runs r
      left join agent_wakeup_requests w on w.id = r.wakeup_request_id where r.live and w.id is null`,
  }),
  rowCheck({
    invariant: "I3",
    title: "a verdict that promises a run has one",
    unit: "verdicts",
    population: "wake_verdicts",
    // What is left of a deleted agent is removed in steps.
    violating: `select v.agent_id as "agentId", v.wake_id as "wakeId", v.verdict ->> 'outcome' as outcome, v.run_id as "runId"
      from wake_verdicts v join agents a on a.id = v.agent_id and a.deleted_at is null
      left join heartbeat_runs r on r.id = v.run_id
      where v.verdict ->> 'outcome' = 'queued' and r.id is null`,
  }),
  rowCheck({
    invariant: "I3",
    title: "a verdict that promises a request has it",
    unit: "verdicts",
    population: "wake_verdicts",
    violating: `select v.agent_id as "agentId", v.wake_id as "wakeId", v.verdict ->> 'outcome' as outcome, v.verdict ->> 'requestId' as "requestId"
      from wake_verdicts v join agents a on a.id = v.agent_id and a.deleted_at is null
      left join agent_wakeup_requests w on w.id = (v.verdict ->> 'requestId')::uuid
      where v.verdict ->> 'requestId' is not null and w.id is null`,
  }),
  rowCheck({
    invariant: "I3",
    title: "no wake is open at rest",
    unit: "wakes",
    atRest: true,
    population: "agent_wakeup_requests",
    violating: `select id, wake_id as "wakeId", agent_id as "agentId", status, reason, run_id as "runId" from agent_wakeup_requests
      where finished_at is null`,
  }),
  rowCheck({
    invariant: "I3",
    title: "no run is open at rest",
    unit: "runs",
    atRest: true,
    population: "heartbeat_runs",
    violating: `select id as "runId", agent_id as "agentId", status, phase, attempt, issue_id as "issueId" from heartbeat_runs
      where phase <> 'over' or status not in ${over}`,
  }),
  rowCheck({
    invariant: "I3",
    title: "a wake comes to its end once",
    unit: "recorded ends of wakes",
    needs: ["rows", "recorder"],
    population: `run_transitions where what = 'wake' and status_to in ${wakeOver}`,
    violating: `select subject_id as "wakeRow", count(*)::int as ends, array_agg(status_to order by seq) as statuses from run_transitions
      where what = 'wake' and status_to in ${wakeOver} and status_from is distinct from status_to group by subject_id having count(*) > 1`,
  }),
];
