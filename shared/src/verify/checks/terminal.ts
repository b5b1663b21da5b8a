/** I10: the columns of a run agree with each other, and what is over stays as it ended. */
import type { Check } from "../check.js";
import { rowCheck } from "../check.js";
import { over, withProcess } from "../words.js";

export const terminalChecks: readonly Check[] = [
  rowCheck({
    invariant: "I10",
    title: "status, phase and times of a run say the same",
    unit: "runs",
    population: "heartbeat_runs",
    violating: `select id as "runId", status, phase, live, active, started_at as "startedAt", finished_at as "finishedAt", claim_id as "claimId"
      from heartbeat_runs where not (
        status in ('queued', 'running', 'succeeded', 'failed', 'cancelled', 'timed_out')
        and phase in ('queued', 'waiting', 'dispatched', 'running', 'cancelling', 'over')
        and (status in ${over}) = (finished_at is not null)
        and (status in ${over}) = (phase = 'over')
        and live = (phase <> 'over')
        and active = (phase not in ('over', 'queued'))
        and (phase = 'over' or (status = 'running') = (started_at is not null))
        and (phase not in ${withProcess} or (status = 'running' and claim_id is not null))
        and (phase not in ('queued', 'waiting') or status = 'queued'))`,
  }),
  rowCheck({
    invariant: "I10",
    title: "a run that had a go has its log's place, and a claimed wake",
    unit: "started runs",
    population: "heartbeat_runs where started_at is not null",
    violating: `select r.id as "runId", r.status, r.log_ref as "logRef", r.attempt from heartbeat_runs r
      where r.started_at is not null and (r.log_ref is null or r.attempt < 1 or r.last_event_seq < 1)`,
  }),
  rowCheck({
    invariant: "I10",
    title: "runs go only where they may, and what is over stays over",
    unit: "recorded changes of runs",
    needs: ["rows", "recorder"],
    population: "run_transitions where what = 'run'",
    violating: `select seq, subject_id as "runId", status_from as "from", status_to as "to", attempt, writer, at from run_transitions
      where what = 'run' and status_from is distinct from status_to and not coalesce(case
        when status_from is null then status_to in ('queued', 'cancelled', 'failed')
        when status_from = 'queued' then status_to in ('running', 'cancelled', 'failed')
        when status_from = 'running' then status_to in ${over}
        else false end, false)`,
  }),
  rowCheck({
    invariant: "I10",
    title: "how a run ended is never written again",
    unit: "recorded changes of ended runs",
    needs: ["rows", "recorder"],
    population: `run_transitions where what = 'run' and status_from in ${over}`,
    violating: `select seq, subject_id as "runId", status_from as status, outcome_from as before, outcome_to as after, writer, at
      from run_transitions where what = 'run' and status_from in ${over} and outcome_from is distinct from outcome_to`,
  }),
];
