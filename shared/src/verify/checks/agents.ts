/** I20, I25: what is shown of an agent follows from its runs: its status, its last run, its sessions. */
import type { Check } from "../check.js";
import { rowCheck } from "../check.js";
import { over, withProcess } from "../words.js";
import { lastChange } from "./slots.js";

export const agentChecks: readonly Check[] = [
  rowCheck({
    invariant: "I20",
    title: "an agent shows as running exactly when a run of it does",
    unit: "agents",
    population: "agents",
    // Behind a gate (paused, terminated, waiting for approval) runs may still be on their way out. Between a lost attempt and the next
    // one the run shows as running while no process lives, and the agent may say either.
    violating: `select a.id as "agentId", a.status, x.running, x.live from agents a
      left join (select agent_id, count(*) filter (where status = 'running')::int as running,
          count(*) filter (where phase in ${withProcess})::int as live
        from heartbeat_runs where live group by agent_id) x on x.agent_id = a.id
      where (a.status = 'running' and coalesce(x.running, 0) = 0) or (a.status in ('idle', 'error', 'active') and x.live > 0)`,
  }),
  rowCheck({
    invariant: "I20",
    title: "no run begins behind a closed gate",
    unit: "paused agents",
    population: "agents where status = 'paused' and paused_at is not null",
    violating: `select a.id as "agentId", a.paused_at as "pausedAt", r.id as "runId", r.started_at as "startedAt" from agents a
      join heartbeat_runs r on r.agent_id = a.id where a.status = 'paused' and r.started_at > a.paused_at`,
  }),
  rowCheck({
    invariant: "I20",
    title: "no agent shows as running at rest",
    unit: "agents",
    atRest: true,
    population: "agents",
    violating: `select id as "agentId", status from agents where status = 'running'`,
  }),
  rowCheck({
    invariant: "I20",
    title: "an agent's last run is over, as it is said, and none of its runs ended later",
    unit: "agents that have run",
    population: "agent_runtime_state where last_run_id is not null",
    violating: `with latest as (
        select agent_id, max(finished_at) as at from heartbeat_runs where started_at is not null group by agent_id)
      select s.agent_id as "agentId", s.last_run_id as "lastRunId", s.last_run_status as said, r.status, r.finished_at as "finishedAt", n.at as "laterAt"
      from agent_runtime_state s join heartbeat_runs r on r.id = s.last_run_id left join latest n on n.agent_id = s.agent_id
      where r.status not in ${over} or r.status is distinct from s.last_run_status or n.at > r.finished_at`,
  }),
  rowCheck({
    invariant: "I25",
    title: "a task's session is that of the run that ended last",
    unit: "sessions of tasks",
    population: "agent_task_sessions where last_run_id is not null",
    // Runs do not say which type of adapter they had: the agent's own, as long as it was not changed.
    violating: `with latest as (
        select l.agent_id, l.task_key, max(l.finished_at) as at from heartbeat_runs l join agents a on a.id = l.agent_id ${lastChange("a")}
        where l.task_key is not null and l.started_at > coalesce(u.at, '-infinity') group by 1, 2)
      select t.agent_id as "agentId", t.task_key as "taskKey", t.last_run_id as "lastRunId", r.status, r.finished_at as "finishedAt", n.at as "laterAt"
      from agent_task_sessions t join heartbeat_runs r on r.id = t.last_run_id join agents a on a.id = t.agent_id
      left join latest n on n.agent_id = t.agent_id and n.task_key = t.task_key and a.adapter_type = t.adapter_type
      where r.agent_id <> t.agent_id or r.status not in ${over} or r.task_key is distinct from t.task_key or n.at > r.finished_at`,
  }),
];
