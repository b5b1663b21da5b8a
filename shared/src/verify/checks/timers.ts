/** I23: an agent's timer wakes it once for each period, not before it is due, and goes on. */
import type { Check } from "../check.js";
import { rowCheck, settlingRowCheck } from "../check.js";
import { lastChange } from "./slots.js";

/** When a timer's wake was due, by its id: `timer:<agent>:<ms>`. */
const dueMs = `split_part(w.wake_id, ':', 3)::float8`;

export const timerChecks: readonly Check[] = [
  rowCheck({
    invariant: "I23",
    title: "a timer wakes once for each period, when it is due",
    unit: "wakes by timers",
    population: "agent_wakeup_requests where source = 'timer' and wake_id like 'timer:%'",
    // A second: the clocks of the host that fires and of the stream.
    violating: `select x.agent_id as "agentId", x.wake_id as "wakeId", x.due, x.previous as "previousDue", x.period_sec as "intervalSec", x.requested_at as "requestedAt"
      from (select w.agent_id, w.wake_id, w.requested_at, ${dueMs} as due, u.at as changed,
          lag(${dueMs}) over (partition by w.agent_id order by ${dueMs}) as previous,
          case when jsonb_typeof(a.runtime_config #> '{heartbeat,intervalSec}') = 'number' and a.runtime_config #> '{heartbeat,cron}' is null
            then greatest(1, (a.runtime_config #>> '{heartbeat,intervalSec}')::float8) end as period_sec
        from agent_wakeup_requests w join agents a on a.id = w.agent_id ${lastChange("a")}
        where w.source = 'timer' and w.wake_id ~ '^timer:[^:]+:[0-9]{1,15}$') x
      where x.due > extract(epoch from x.requested_at) * 1000 + 1000
        or (x.previous > coalesce(extract(epoch from x.changed) * 1000, 0) and x.due - x.previous < x.period_sec * 1000 - 1)`,
  }),
  rowCheck({
    invariant: "I23",
    title: "at most one run by a timer waits",
    unit: "queued runs by timers",
    population: "heartbeat_runs where live and status = 'queued' and invocation_source = 'timer'",
    violating: `select agent_id as "agentId", array_agg(id) as runs from heartbeat_runs
      where live and status = 'queued' and invocation_source = 'timer' and retry_of_run_id is null group by agent_id having count(*) > 1`,
  }),
  settlingRowCheck({
    invariant: "I23",
    title: "no timer is overdue",
    unit: "timers",
    population: "agents where next_timer_at is not null and deleted_at is null",
    // A minute: timers are read every 10 s and published again after 30 s. Without a host nobody fires them.
    violating: `select id, name, next_timer_at as "dueAt" from agents
      where next_timer_at < now() - interval '60 seconds' and deleted_at is null
        and exists (select 1 from hosts where lease_until > now())`,
  }),
];
