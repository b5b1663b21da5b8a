/** I4, I17: nobody waits at an issue that nobody holds, and what is owed goes out. Looked at again until it has settled. */
import type { Check } from "../check.js";
import { settlingRowCheck } from "../check.js";

export const waitChecks: readonly Check[] = [
  settlingRowCheck({
    invariant: "I4",
    title: "nobody waits at an issue that nobody holds",
    unit: "waiting wakes and runs",
    population: `(select id from agent_wakeup_requests where waits union all
      select id from heartbeat_runs where live and phase = 'waiting') w`,
    violating: `select x.* from (
        select w.id, 'wake' as what, w.agent_id as "agentId", w.issue_id as "issueId", w.requested_at as since
          from agent_wakeup_requests w where w.waits
        union all select r.id, 'run', r.agent_id, r.issue_id, r.created_at from heartbeat_runs r where r.live and r.phase = 'waiting') x
      where not exists (select 1 from heartbeat_runs h where h.issue_id = x."issueId" and h.holds_issue)`,
  }),
  settlingRowCheck({
    invariant: "I17",
    title: "an owed release of a lock goes out",
    unit: "owed releases",
    population: `(select id from heartbeat_runs where owes_release union all
      select id from agent_wakeup_requests where owes_release) o`,
    violating: `select id, 'run' as what, issue_id as "issueId", phase from heartbeat_runs where owes_release
      union all select id, 'wake', issue_id, status from agent_wakeup_requests where owes_release`,
  }),
  settlingRowCheck({
    invariant: "I17",
    title: "an owed wake is published and decided",
    unit: "owed wakes",
    population: "owed_wakes",
    // A minute: gateways look at what is older than some seconds, again and again.
    violating: `select wake_id as id, agent_id as "agentId", company_id as "companyId", created_at as "createdAt" from owed_wakes
      where created_at < now() - interval '60 seconds'`,
  }),
];
