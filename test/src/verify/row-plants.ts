// Owns the violations that are planted into rows alone.
import { another, change, revived, rows, type Plant } from "./plants.js";

const ended = "status = 'succeeded' and started_at is not null";
const onIssue = `issue_id is not null and ${ended}`;
const agentOf = (name: string): string =>
  `agent_id = (select id from agents where name = '${name}')`;
const completed = "status = 'completed'";
const transition = (columns: string, values: string): string =>
  `insert into run_transitions (what, company_id, subject_id, agent_id, issue_id, partition, status_to, writer, ${columns})
   select what, company_id, subject_id, agent_id, issue_id, partition, status_to, writer, ${values} from run_transitions`;

const wakesAndRuns: Record<string, Plant> = {
  "no two runs of an issue at once": rows(another("heartbeat_runs", onIssue, "'wake_id', 'other'")),
  "no agent had more runs at once than slots": rows(
    another("heartbeat_runs", `${agentOf("Narrow")} and ${ended}`, "'wake_id', 'other'"),
    "select id from agents where name = 'Narrow'",
  ),
  "no agent has more slots taken than it has": rows(
    change("heartbeat_runs", agentOf("Narrow"), revived("running")),
    change("heartbeat_runs", `${agentOf("Narrow")} and not live`, revived("running")),
  ),
  "a wake has a known status, and the time of its end exactly when it is over": rows(
    change("agent_wakeup_requests", completed, "finished_at = null"),
  ),
  "a run and its wake end together and alike": rows(
    `update agent_wakeup_requests w set status = 'failed' from heartbeat_runs r
     where r.wakeup_request_id = w.id and w.run_id = r.id and r.status = 'succeeded'
       and r.id = (select run_id from agent_wakeup_requests where status = 'completed' and run_id is not null limit 1) returning r.id`,
  ),
  "an open wake has a live run": rows(
    change("agent_wakeup_requests", completed, "status = 'claimed', finished_at = null"),
  ),
  "a live run has a wake": rows(
    change("heartbeat_runs", ended, revived("running")),
    "delete from agent_wakeup_requests w using heartbeat_runs r where r.live and w.id = r.wakeup_request_id returning r.id",
  ),
  "a verdict that promises a run has one": rows(
    "delete from heartbeat_runs where id = (select run_id from wake_verdicts where verdict ->> 'outcome' = 'queued' limit 1) returning id",
  ),
  "a verdict that promises a request has it": rows(
    "delete from agent_wakeup_requests where id = (select (verdict ->> 'requestId')::uuid from wake_verdicts where verdict ->> 'requestId' is not null limit 1) returning id",
  ),
  "no wake is open at rest": rows(
    change("agent_wakeup_requests", completed, "status = 'queued', finished_at = null"),
  ),
  "no run is open at rest": rows(change("heartbeat_runs", ended, revived("running"))),
  "a wake comes to its end once": rows(
    `${transition("status_from", "'claimed'")} where what = 'wake' and status_to = 'completed' limit 1 returning subject_id`,
  ),
  "nobody waits at an issue that nobody holds": rows(
    change(
      "agent_wakeup_requests",
      completed,
      "status = 'deferred_issue_execution', waits = true, finished_at = null, issue_id = (select id from issues limit 1)",
    ),
  ),
  "a run has one attempt more than it has lost and handed back": rows(
    change("heartbeat_runs", ended, "attempt = 3"),
  ),
  "events of a run are numbered 1 to n, and its row knows n": rows(
    "delete from heartbeat_run_events where ctid = (select ctid from heartbeat_run_events where seq = 2 limit 1) returning run_id",
  ),
  "a run is over exactly when its last event says so": rows(
    change("heartbeat_run_events", "message = 'run succeeded'", "message = 'run failed'", "run_id"),
  ),
  "a run ends once among its events": rows(
    change(
      "heartbeat_run_events",
      "message = 'run started'",
      "message = 'run cancelled'",
      "run_id",
    ),
  ),
  "status, phase and times of a run say the same": rows(
    change("heartbeat_runs", ended, "finished_at = null"),
  ),
  "a run that had a go has its log's place, and a claimed wake": rows(
    change("heartbeat_runs", ended, "log_ref = null"),
  ),
  "runs go only where they may, and what is over stays over": rows(
    `${transition("status_from, phase_to", "'failed', 'running'")} where what = 'run' and status_to = 'running' limit 1 returning subject_id`,
  ),
  // The recorder itself sees it.
  "how a run ended is never written again": rows(
    change("heartbeat_runs", ended, "error = 'written by a host that was fenced'"),
  ),
};

const locksAndOwners: Record<string, Plant> = {
  "the run that an issue names is the one that holds it": rows(
    `update issues set execution_run_id = (select id from heartbeat_runs where ${onIssue} limit 1) where id = (select id from issues limit 1) returning id`,
  ),
  "a run holds its issue exactly while it has a slot": rows(
    change("heartbeat_runs", onIssue, revived("running")),
  ),
  "no issue is held and no release is owed at rest": rows(
    change("heartbeat_runs", onIssue, "owes_release = true"),
  ),
  "what is over holds nothing": rows(change("heartbeat_runs", onIssue, "holds_issue = true")),
  "the holders of an issue follow each other": rows(
    `with held as (select * from run_transitions where holds_to and issue_id is not null order by seq desc limit 1)
     insert into run_transitions (what, company_id, subject_id, agent_id, issue_id, partition, status_to, writer, holds_from, holds_to)
     select 'run', company_id, gen_random_uuid(), agent_id, gen_random_uuid(), partition, status_to, writer, false, true from held`,
    `insert into run_transitions (what, company_id, subject_id, agent_id, issue_id, partition, status_to, writer, holds_from, holds_to)
     select 'run', company_id, gen_random_uuid(), agent_id, issue_id, partition, status_to, writer, false, true
     from run_transitions order by seq desc limit 1 returning subject_id`,
  ),
  "the epoch of a partition never falls": rows(
    `${transition("epoch", "epoch - 1")} where epoch = (select max(epoch) from run_transitions) limit 1 returning subject_id`,
  ),
  "an epoch has one owner": rows(
    `${transition("epoch, owner", "epoch, gen_random_uuid()")} where epoch is not null limit 1 returning owner`,
  ),
  "only the owner of a partition writes its runs and wakes": rows(
    "update run_transitions set owner = gen_random_uuid() where seq = (select max(seq) from run_transitions) returning owner",
  ),
  "runs and wakes lie in the partition of their agent": rows(
    change("heartbeat_runs", ended, "partition = (partition + 1) % 8"),
  ),
  "no row was made by a message beyond the cursor": rows(
    change("agent_wakeup_requests", completed, "stream_seq = stream_seq + 1000000"),
  ),
  "one message makes one wake": rows(
    another("agent_wakeup_requests", completed, "'wake_id', 'twice'"),
  ),
  "no partition is ahead of the generation of the stream": rows(
    "update partitions set generation = 7 where partition = 3 returning generation",
  ),
  "an agent with one slot starts its runs in the order of the stream": rows(
    `update heartbeat_runs set started_at = started_at + interval '1 hour' where id = (
       select id from heartbeat_runs where ${agentOf("Narrow")} and issue_id is null order by stream_seq limit 1) returning id`,
  ),
  "requests with one idempotency key have one run": rows(
    `update agent_wakeup_requests set run_id = (select id from heartbeat_runs where ${agentOf("Narrow")} limit 1)
     where idempotency_key = 'one-key' and status = 'coalesced' returning id`,
  ),
  "an owed release of a lock goes out": rows(
    change("heartbeat_runs", onIssue, "owes_release = true"),
  ),
  "an owed wake is published and decided": rows(
    `insert into owed_wakes (company_id, agent_id, wake_id, request, created_at)
     select company_id, id, 'owed', '{}', now() - interval '1 hour' from agents limit 1 returning wake_id`,
  ),
};

const costsAndTimes: Record<string, Plant> = {
  "an ended run with usage has its one cost": rows(
    "delete from cost_events where id = (select id from cost_events limit 1) returning run_id",
  ),
  "only a run that is over has a cost, one, and none is negative": rows(
    "alter table cost_events drop constraint cost_events_run_id_unique",
    another("cost_events", "run_id is not null", "'cost_micros', 0").replace(
      "returning id",
      "returning run_id",
    ),
  ),
  "totals of an agent are the sum of its runs": rows(
    change(
      "agent_runtime_state",
      "total_cost_micros > 0",
      "total_cost_micros = total_cost_micros + 1",
      "agent_id",
    ),
  ),
  "what an agent has spent in its month is the sum of its costs": rows(
    change("agents", "name = 'Costly'", "spent_monthly_micros = spent_monthly_micros * 2"),
  ),
  "a comment's wake leads to a run that has the comment": rows(
    `update agent_wakeup_requests set payload = jsonb_set(payload, '{commentId}', to_jsonb(gen_random_uuid()::text))
     where payload ->> 'commentId' is not null returning id`,
  ),
  "no comment joins a run that has begun": rows(
    `update agent_wakeup_requests set status = 'coalesced', requested_at = now() where payload ->> 'commentId' is not null returning id`,
  ),
  "an agent shows as running exactly when a run of it does": rows(
    change("heartbeat_runs", `${agentOf("Wide")} and ${ended}`, revived("running")),
    "select id from agents where name = 'Wide'",
  ),
  "no run begins behind a closed gate": rows(
    "update agents set paused_at = now() - interval '1 day' where name = 'Timed' returning id",
  ),
  "no agent shows as running at rest": rows(
    change("agents", "name = 'Wide'", "status = 'running'"),
  ),
  "an agent's last run is over, as it is said, and none of its runs ended later": rows(
    `update agent_runtime_state s set last_run_id = (select id from heartbeat_runs r where r.agent_id = s.agent_id order by finished_at limit 1)
     where ${agentOf("Costly")} returning last_run_id`,
  ),
  "a task's session is that of the run that ended last": rows(
    `update agent_task_sessions s set last_run_id = (select id from heartbeat_runs r where r.agent_id = s.agent_id order by finished_at limit 1)
     returning last_run_id`,
  ),
  "a wake is asked for, claimed and over in this order": rows(
    change("agent_wakeup_requests", completed, "claimed_at = requested_at - interval '1 hour'"),
  ),
  "a run is made, started and over in this order, and not before its wake": rows(
    change("heartbeat_runs", ended, "finished_at = started_at - interval '1 ms'"),
  ),
  "a timer wakes once for each period, when it is due": rows(
    `update agent_wakeup_requests set requested_at = requested_at - interval '1 hour' where wake_id like 'timer:%' returning wake_id`,
  ),
  "at most one run by a timer waits": rows(
    `update heartbeat_runs set status = 'queued', live = true where ${agentOf("Timed")} returning id`,
  ),
  "no timer is overdue": rows(
    "insert into hosts (id, lease_until, version) values (gen_random_uuid(), now() + interval '1 hour', 'test')",
    "update agents set next_timer_at = now() - interval '1 hour' where name = 'Timed' returning id",
  ),
  "no row has a secret": async ({ copy }) => {
    const value = "a+secret/of-ours";
    const text = Buffer.from(`${value} is hidden`).toString("base64");
    await copy.sql(
      "update agents set metadata = jsonb_build_object('note', $1::text) where name = 'Wide'",
      [text],
    );
    return { shows: ["agents"], options: { canaries: [value] } };
  },
};

export const rowPlants: Readonly<Record<string, Plant>> = {
  ...wakesAndRuns,
  ...locksAndOwners,
  ...costsAndTimes,
};
