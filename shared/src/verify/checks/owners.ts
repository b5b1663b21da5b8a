/** I13: an agent is decided by one owner at a time; what it writes carries an epoch that never falls. */
import type { Check } from "../check.js";
import { rowCheck } from "../check.js";

export const ownerChecks: readonly Check[] = [
  rowCheck({
    invariant: "I13",
    title: "the epoch of a partition never falls",
    unit: "recorded changes",
    needs: ["rows", "recorder"],
    population: "run_transitions",
    violating: `select t.partition, t.seq, t.subject_id as "subjectId", t.epoch, t.before as "epochBefore", t.writer, t.at
      from (select *, max(epoch) over (partition by partition order by seq rows between unbounded preceding and 1 preceding) as before
        from run_transitions) t
      where t.epoch < t.before`,
  }),
  rowCheck({
    invariant: "I13",
    title: "an epoch has one owner",
    unit: "recorded changes",
    needs: ["rows", "recorder"],
    population: "run_transitions",
    violating: `select partition, epoch, array_agg(distinct owner) as owners from run_transitions where owner is not null
      group by partition, epoch having count(distinct owner) > 1`,
  }),
  rowCheck({
    invariant: "I13",
    title: "only the owner of a partition writes its runs and wakes",
    unit: "recorded changes by hosts",
    needs: ["rows", "recorder"],
    // A host's connections bear its id as their name.
    population: "run_transitions where writer like 'reveille-agent-actor-%'",
    violating: `select seq, partition, epoch, owner, writer, what, subject_id as "subjectId", status_to as "to", at from run_transitions
      where writer like 'reveille-agent-actor-%' and owner is not null and writer <> 'reveille-agent-actor-' || owner`,
  }),
  rowCheck({
    invariant: "I13",
    title: "runs and wakes lie in the partition of their agent",
    unit: "agents",
    population: "agents",
    violating: `select a.id as "agentId", a.partition, x.partition as "rowSays", x.what, x.id from agents a join (
        select id, agent_id, partition, 'run' as what from heartbeat_runs
        union all select id, agent_id, partition, 'wake' from agent_wakeup_requests) x on x.agent_id = a.id
      where x.partition <> a.partition`,
  }),
];
