/**
 * An optional recorder: triggers that write each change of a run's or wake's state into a table of their own, in the transaction that
 * makes it, with the epoch and owner of its partition and the connection that wrote. Evidence for the checker: what rows no longer show.
 * No part of the schema: it is installed and removed while the system runs, and costs one row more for each change.
 */
import { guarded } from "./pool.js";
import type { Pool } from "./pool.js";

/** Any number of our own: two who install at once would both try to make the table. */
const recorderLock = 7_238_411_906;

/** Outcome columns of a run, as one text: whether they were written again after the end. */
const outcome = (row: string): string =>
  `md5(concat_ws('|', ${row}.status, ${row}.finished_at, ${row}.error, ${row}.error_code, ${row}.exit_code, ${row}.signal,
    ${row}.usage_json, ${row}.session_id_after, ${row}.log_bytes, ${row}.log_sha256))`;

const install = `
create table if not exists run_transitions (
  seq bigserial primary key,
  at timestamptz not null default clock_timestamp(),
  what text not null,
  company_id uuid not null,
  subject_id uuid not null,
  agent_id uuid not null,
  issue_id uuid,
  partition integer not null,
  status_from text,
  status_to text not null,
  phase_from text,
  phase_to text,
  attempt integer,
  holds_from boolean,
  holds_to boolean,
  outcome_from text,
  outcome_to text,
  epoch bigint,
  owner text,
  writer text not null
);
create or replace function reveille_record_run() returns trigger language plpgsql as $$
begin
  if tg_op = 'UPDATE' and (old.status, old.phase, old.attempt, old.holds_issue) is not distinct from (new.status, new.phase, new.attempt, new.holds_issue)
    and (old.phase <> 'over' or ${outcome("old")} = ${outcome("new")}) then return null; end if;
  insert into run_transitions (what, company_id, subject_id, agent_id, issue_id, partition, status_from, status_to, phase_from, phase_to,
    attempt, holds_from, holds_to, outcome_from, outcome_to, epoch, owner, writer)
  select 'run', new.company_id, new.id, new.agent_id, new.issue_id, new.partition,
    case when tg_op = 'UPDATE' then old.status end, new.status, case when tg_op = 'UPDATE' then old.phase end, new.phase, new.attempt,
    case when tg_op = 'UPDATE' then old.holds_issue else false end, new.holds_issue,
    case when tg_op = 'UPDATE' then ${outcome("old")} end, ${outcome("new")}, p.epoch, p.owner, current_setting('application_name')
  from (select 1) one left join partitions p on p.partition = new.partition;
  return null;
end $$;
create or replace function reveille_record_wake() returns trigger language plpgsql as $$
begin
  if tg_op = 'UPDATE' and old.status = new.status then return null; end if;
  insert into run_transitions (what, company_id, subject_id, agent_id, issue_id, partition, status_from, status_to, epoch, owner, writer)
  select 'wake', new.company_id, new.id, new.agent_id, new.issue_id, new.partition,
    case when tg_op = 'UPDATE' then old.status end, new.status, p.epoch, p.owner, current_setting('application_name')
  from (select 1) one left join partitions p on p.partition = new.partition;
  return null;
end $$;
create or replace trigger reveille_recorder after insert or update on heartbeat_runs for each row execute function reveille_record_run();
create or replace trigger reveille_recorder after insert or update on agent_wakeup_requests for each row execute function reveille_record_wake();`;

const remove = `
drop trigger if exists reveille_recorder on heartbeat_runs;
drop trigger if exists reveille_recorder on agent_wakeup_requests;
drop function if exists reveille_record_run();
drop function if exists reveille_record_wake();
drop table if exists run_transitions;`;

/**
 * Installs or removes the recorder; to do it twice is harmless. What was recorded goes with it. Waits a moment for the tables: it needs
 * them for itself for an instant. @throws RuntimeError `StoreUnavailable` when Postgres does not answer or the tables are not free.
 */
export async function setRecorder(pool: Pool, on: boolean): Promise<void> {
  const client = await guarded("recorder", () => pool.connect());
  let broken: Error | undefined;
  try {
    await guarded("recorder", async () => {
      await client.query(
        `begin; set local lock_timeout = 5000; select pg_advisory_xact_lock(${recorderLock})`,
      );
      await client.query(on ? install : remove);
      await client.query("commit");
    });
  } catch (error) {
    await client.query("rollback").catch((again: Error) => (broken = again));
    throw error;
  } finally {
    client.release(broken);
  }
}
