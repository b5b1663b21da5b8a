/** What waits, and for what: the queue of an agent, the lock of an issue. They read the HTTP API alone. */
import type { Command } from "commander";
import type { Action } from "../action.js";
import type { Row } from "../api.js";
import type { Context } from "../context.js";
import { ago, formatTable, orDash } from "../output.js";
import { resolveAgent, resolveIssue } from "../resolve.js";
import { shortId } from "../run-view.js";

export function registerWaiting(program: Command, action: Action): void {
  program
    .command("queue <agent>")
    .description("an agent's mailbox and queue: undecided messages, runs and what they wait for")
    .action(action(({ context, args }) => showQueue(context, args[0]!)));
  program
    .command("lock <issue>")
    .description("who works on an issue, and who waits for it")
    .action(action(({ context, args }) => showLock(context, args[0]!)));
}

async function showQueue(context: Context, wanted: string): Promise<void> {
  const { api, output } = context;
  const agent = await resolveAgent(api, wanted, context.options.company);
  const mailbox = (await api.get(`/agents/${String(agent["id"])}/mailbox`)) as Row & {
    undecided: Row[];
    runs: Row[];
    deferred: Row[];
    slots: { max: number; used: number };
    schedule: Row;
  };
  output.document(mailbox);
  if (output.json) return;
  const { slots, schedule } = mailbox;
  const nowMs = Date.now();
  output.line(
    `${orDash(agent["name"])}: ${orDash(mailbox["status"])}, ${slots.used} of ${slots.max} slots, ` +
      `next timer ${orDash(schedule["nextTimerAt"])}, ${mailbox.undecided.length} messages undecided`,
  );
  output.line();
  output.line(
    formatTable(
      ["RUN", "PHASE", "WAITS FOR", "ATTEMPT", "WOKEN", "ISSUE"],
      mailbox.runs.map((row) => [
        shortId(row["runId"]),
        orDash(row["phase"]),
        orDash(row["reason"] ?? row["waitsFor"]),
        orDash(row["attempt"]),
        ago(row["createdAt"], nowMs),
        shortId(row["issueId"]),
      ]),
    ),
  );
  for (const wake of mailbox.deferred)
    output.line(
      `wake ${shortId(wake["wakeRequestId"])} waits for issue ${shortId(wake["issueId"])} ` +
        `since ${ago(wake["requestedAt"], nowMs)}`,
    );
}

async function showLock(context: Context, wanted: string): Promise<void> {
  const { api, output } = context;
  const issue = await resolveIssue(api, wanted, context.options.company);
  const lock = (await api.get(`/issues/${String(issue["id"])}/lock`)) as Row & {
    holder: Row | null;
    waiters: Row[];
  };
  output.document(lock);
  if (output.json) return;
  const { holder } = lock;
  const nowMs = Date.now();
  output.line(
    holder
      ? `${orDash(lock["identifier"])} is held by run ${shortId(holder["runId"])} of ${orDash(holder["agentName"])} (${orDash(holder["status"])})`
      : `${orDash(lock["identifier"])} is free`,
  );
  if (lock.waiters.length === 0) return;
  output.line();
  output.line(
    formatTable(
      ["WAITER", "RUN", "AGENT", "AGENT STATUS", "SINCE"],
      lock.waiters.map((row) => [
        orDash(row["kind"]),
        shortId(row["runId"]),
        orDash(row["agentName"]),
        orDash(row["agentStatus"]),
        ago(row["requestedAt"], nowMs),
      ]),
    ),
  );
}
