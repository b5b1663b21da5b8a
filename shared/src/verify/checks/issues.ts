/** I1, I11, I12: one run works on an issue, it is the one that the issue's row and its lock name, and holders follow each other. */
import type { Check } from "../check.js";
import { rowCheck } from "../check.js";
import { overlapCheck, sweepCheck } from "../witness-sweep.js";
import { over, withSlot } from "../words.js";

export const issueChecks: readonly Check[] = [
  rowCheck({
    invariant: "I1",
    title: "no two runs of an issue at once",
    unit: "started runs with an issue",
    population: "heartbeat_runs where issue_id is not null and started_at is not null",
    violating: `select x.company_id as "companyId", x.issue_id as "issueId", x.id as "runId", x.started_at as "startedAt", x.before as "otherEndsAt",
        (select o.id from heartbeat_runs o where o.issue_id = x.issue_id and o.id <> x.id and o.started_at <= x.started_at
          and coalesce(o.finished_at, 'infinity') > x.started_at limit 1) as "otherRunId"
      from (select id, company_id, issue_id, started_at,
          max(coalesce(finished_at, 'infinity')) over (partition by issue_id order by started_at, coalesce(finished_at, 'infinity'), id
            rows between unbounded preceding and 1 preceding) as before
        from heartbeat_runs where issue_id is not null and started_at is not null) x
      where x.before > x.started_at`,
  }),
  overlapCheck("I1", "issue", "no process met another one at work on its issue"),
  sweepCheck({
    invariant: "I1",
    title: "no two processes of an issue at once, as they wrote it down",
    keyOf: ({ issueId }) => issueId,
    limits: async () => new Map(),
  }),
  rowCheck({
    invariant: "I11",
    title: "the run that an issue names is the one that holds it",
    unit: "held issues",
    population: "heartbeat_runs where holds_issue",
    violating: `select coalesce(i.id, r.issue_id) as "issueId", i.execution_run_id as "issueSays", r.id as "holder", r.phase, n.status as "namedRunIs"
      from (select * from issues where execution_run_id is not null) i
      full join (select * from heartbeat_runs where holds_issue) r on r.issue_id = i.id
      left join heartbeat_runs n on n.id = i.execution_run_id
      where i.execution_run_id is distinct from r.id`,
  }),
  rowCheck({
    invariant: "I11",
    title: "a run holds its issue exactly while it has a slot",
    unit: "live runs with an issue",
    population: "heartbeat_runs where issue_id is not null and live",
    violating: `select id as "runId", issue_id as "issueId", status, phase, holds_issue as "holdsIssue" from heartbeat_runs
      where holds_issue is distinct from (live and issue_id is not null and phase in ${withSlot})
        and (live or holds_issue)`,
  }),
  rowCheck({
    invariant: "I11",
    title: "no issue is held and no release is owed at rest",
    unit: "runs and wakes",
    atRest: true,
    population: "heartbeat_runs",
    violating: `select id, 'run' as what, issue_id as "issueId", holds_issue as "holdsIssue", owes_release as "owesRelease"
        from heartbeat_runs where holds_issue or owes_release
      union all select id, 'wake', issue_id, false, true from agent_wakeup_requests where owes_release
      union all select execution_run_id, 'named by an issue', id, true, false from issues where execution_run_id is not null`,
  }),
  rowCheck({
    invariant: "I12",
    title: "the holders of an issue follow each other",
    unit: "recorded holds",
    needs: ["rows", "recorder"],
    population: "run_transitions where holds_from is distinct from holds_to",
    violating: `select issue_id as "issueId", subject_id as "runId", seq, at, previous as "heldBy", epoch
      from (select *, lag(subject_id) over w as previous, lag(holds_to) over w as was_held
        from run_transitions where what = 'run' and holds_from is distinct from holds_to and issue_id is not null
        window w as (partition by issue_id order by seq)) t
      where (holds_to and was_held) or (not holds_to and was_held and previous <> subject_id)`,
  }),
  rowCheck({
    invariant: "I11",
    title: "what is over holds nothing",
    unit: "ended runs",
    population: `heartbeat_runs where status in ${over}`,
    violating: `select id as "runId", status, holds_issue as "holdsIssue", active, live from heartbeat_runs
      where status in ${over} and (holds_issue or active or live)`,
  }),
];
