/**
 * Tells agents to look at their queues again, when what kept these waiting was not in their mailbox: a
 * company that was closed, or had spent its budget. Knows no reason and no rule.
 */
import type { Pool } from "@reveille/shared/postgres/pool";
import type { Failpoint } from "@reveille/shared/runtime/failpoint";
import type { Logger } from "@reveille/shared/runtime/log";
import type { MailboxCommands } from "./mailbox-commands.js";

export interface Admissions {
  /** Now, and once more when every actor must have seen the change. Rejects when now did not work. */
  ofCompany(companyId: string): Promise<void>;
  stop(): Promise<void>;
}

/** Agents told by one statement. */
const pageSize = 500;
/** Actors decide with what they knew of a company a second ago; after three they know. */
const againMs = 3_000;

const statement = {
  name: "agents_with_queues",
  text: `select a.id from agents a where a.company_id = $1 and a.id > $2 and a.deleted_at is null and (
      exists (select 1 from heartbeat_runs r where r.live and r.company_id = a.company_id and r.agent_id = a.id)
      or exists (select 1 from agent_wakeup_requests w where w.waits and w.agent_id = a.id))
    order by a.id limit ${pageSize}`,
};

export function createAdmissions(
  pool: Pool,
  commands: MailboxCommands,
  failpoint: Failpoint,
  logger: Logger,
): Admissions {
  const timers = new Set<NodeJS.Timeout>();
  const running = new Set<Promise<void>>();
  let stopped = false;

  const admit = async (companyId: string): Promise<void> => {
    let after = "00000000-0000-0000-0000-000000000000";
    while (!stopped) {
      const page = await pool.query<{ id: string }>({ ...statement, values: [companyId, after] });
      await Promise.all(page.rows.map(({ id }) => commands.send(companyId, id, "admit", {})));
      const last = page.rows.at(-1);
      if (!last || page.rows.length < pageSize) return;
      after = last.id;
    }
  };
  const later = (companyId: string): void => {
    const timer = setTimeout(() => {
      timers.delete(timer);
      const turn = admit(companyId)
        .catch((error: unknown) => logger.warn({ err: error, companyId }, "cannot admit a company"))
        .finally(() => running.delete(turn));
      running.add(turn);
    }, againMs);
    timers.add(timer);
  };
  return {
    ofCompany: async (companyId) => {
      failpoint("before-admission");
      if (!stopped) later(companyId);
      await admit(companyId);
    },
    stop: async () => {
      stopped = true;
      for (const timer of timers) clearTimeout(timer);
      await Promise.all(running);
    },
  };
}
