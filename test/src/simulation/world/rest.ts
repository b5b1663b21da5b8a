// Owns what must be true when a simulated fleet has come to rest, and whether it has: nothing lives, nothing is owed, every wake has its
// one end. Looks at everything, so it is asked at the end alone.
import { lockOf } from "./lock-witness.js";
import { judgeLogs } from "./log-judge.js";
import type { AgentProcess } from "./process-book.js";
import { closedWakeStatuses, isOver } from "./rows.js";
import type { Ground } from "./ground.js";
import type { FaultKind } from "./scenario-faults.js";
import type { Publisher, Sent } from "./publisher.js";

/** Why the fleet is not at rest; null: it is. */
export function unrest(
  { store, witness, nats, names }: Ground,
  publishers: readonly Publisher[],
): string | null {
  const { tables } = store;
  const busy = publishers.find(({ idle }) => !idle);
  if (busy) return `${busy.process.name} waits for JetStream`;
  const process = witness.processes.live[0];
  if (process) return `a process lives: ${nameOf(process)}`;
  const run = tables.heartbeat_runs.some(({ live }) => live);
  if (run) {
    const live = tables.heartbeat_runs.where((row) => row.live)[0]!;
    return `run ${live.id} is ${live.status}/${live.phase}`;
  }
  const wake = tables.agent_wakeup_requests.where(({ waits }) => waits)[0];
  if (wake) return `wake ${wake.wake_id} waits for issue ${wake.issue_id}`;
  const owed =
    tables.heartbeat_runs.where((row) => row.owes_release)[0] ??
    tables.agent_wakeup_requests.where((row) => row.owes_release)[0];
  if (owed) return `the release of ${owed.id} is owed`;
  const mailbox = nats.jetstream.peek(names.mailbox);
  const exec = nats.jetstream.peek(names.exec);
  if (!mailbox || !exec) return "there are no streams";
  if (exec.messages.length > 0) return `${exec.messages.length} executions are stored`;
  const { generation } = tables.mailbox_state.get(1)!;
  // Its cursor counts in a stream that is gone, and says nothing about this one.
  const behind = tables.partitions.where((row) => row.generation < generation)[0];
  if (behind)
    return `partition ${behind.partition} is in generation ${behind.generation} of ${generation}`;
  for (const { seq, subject } of mailbox.messages) {
    const partition = tables.partitions.get(Number(subject.split(".")[1]));
    if (partition && partition.cursor_seq < seq)
      return `message ${seq} of partition ${partition.partition} is not applied`;
  }
  return null;
}

/** Judges a fleet at rest; findings go where all findings go. */
export function judgeAtRest(
  ground: Ground,
  publishers: readonly Publisher[],
  losses: readonly Loss[],
): void {
  judgeRows(ground);
  judgeLocks(ground);
  const sent = publishers.flatMap((publisher) => publisher.sent);
  judgeWakes(ground, sent, losses);
  judgeKeys(ground);
  judgeComments(ground, sent);
  if (losses.length === 0) judgeLogs(ground);
}

/** A time in which JetStream lost what it had acknowledged: stored after `fromMs` and before `toMs`, and under which sequences. */
export interface Loss {
  fromMs: number;
  toMs: number;
  seqs: ReadonlySet<number>;
}
/** What was acknowledged in that time, or had its acknowledgement on the way at its end. */
const wasLost = (losses: readonly Loss[], { accepted, sentAtMs, tries }: Sent): boolean =>
  losses.some(
    ({ fromMs, toMs, seqs }) =>
      accepted !== null &&
      accepted.atMs >= fromMs &&
      (accepted.atMs <= toMs || (sentAtMs < toMs && tries === 1 && seqs.has(accepted.seq))),
  );

function judgeRows({ store, witness, findings }: Ground): void {
  const { tables } = store;
  for (const run of witness.runs.all)
    findings.hold(isOver(run.status), "I3", () => `run ${run.id} is ${run.status} at rest`);
  for (const wake of witness.wakes.all)
    findings.hold(
      closedWakeStatuses.has(wake.status),
      "I3",
      () => `wake ${wake.wake_id} is ${wake.status} at rest`,
    );
  for (const agent of tables.agents.rows())
    findings.hold(
      agent.status !== "running",
      "I20",
      () => `agent ${agent.id} shows as running at rest`,
    );
  for (const issue of tables.issues.rows())
    findings.hold(
      issue.execution_run_id === null,
      "I11",
      () => `issue ${issue.id} names a run at rest`,
    );
  for (const dead of tables.dead_letters.rows())
    findings.hold(
      dead.stage === "decode",
      "I14",
      () => `a dead letter: ${dead.kind} ${dead.stage} ${dead.reason}`,
    );
}

/** Faults after which a batch is not decided a second time on other facts, and a bucket is what it was. */
const gentle: ReadonlySet<FaultKind> = new Set([
  "stale-reads",
  "wrong-clock",
  "readers-lost",
  "duplicates",
]);

/**
 * The bucket of locks is empty when nothing lives. A wake that was decided twice may leave a place behind when the second decision is
 * another one, and so may a bucket that was rolled back: whoever stands there is dead by what Postgres says, and who wants the issue next
 * puts himself in his place.
 */
function judgeLocks({ nats, names, findings, scenario }: Ground): void {
  const strict = scenario.faults.every(({ kind }) => gentle.has(kind));
  if (!strict) return;
  for (const message of nats.jetstream.peek(`KV_${names.issueLocks}`)?.messages ?? []) {
    const lock = lockOf(message);
    findings.hold(
      lock === null,
      "I11",
      () => `a lock is held at rest: ${message.subject} ${JSON.stringify(lock)}`,
    );
  }
}

/** What was accepted and not lost with the stream has its verdict, and what the verdict promised came true. */
function judgeWakes(
  { store, findings }: Ground,
  sent: readonly Sent[],
  losses: readonly Loss[],
): void {
  const { tables } = store;
  for (const each of sent) {
    if (each.dead || wasLost(losses, each)) continue;
    const agent = tables.agents.get(each.agentId);
    // The verdicts of a deleted agent go with it.
    if (!agent || agent.deleted_at !== null) continue;
    const wakeId = each.wake?.wakeId ?? each.verdict?.wakeId ?? null;
    if (each.wake && wakeId !== null) {
      const verdict = tables.wake_verdicts.get(each.agentId, wakeId);
      findings.hold(
        verdict !== undefined,
        "I3",
        () =>
          `an accepted wake has no verdict: ${wakeId} of agent ${each.agentId}, accepted at ${each.accepted?.atMs}`,
      );
    }
    if (each.costId !== null)
      findings.hold(
        tables.cost_events.get(each.costId) !== undefined,
        "I18",
        () => `an accepted cost is not recorded: ${each.costId}`,
      );
  }
  for (const { agent_id, wake_id, verdict } of tables.wake_verdicts.rows()) {
    const { outcome, requestId, run } = verdict as {
      outcome: string;
      requestId?: string;
      run?: { id: string };
    };
    if (tables.agents.get(agent_id)?.deleted_at !== null) continue;
    if (outcome === "queued")
      findings.hold(
        run !== undefined && tables.heartbeat_runs.get(run.id) !== undefined,
        "I3",
        () => `wake ${wake_id} was promised a run that is not there`,
      );
    if (outcome !== "rejected")
      findings.hold(
        requestId !== undefined && tables.agent_wakeup_requests.get(requestId) !== undefined,
        "I3",
        () => `wake ${wake_id} (${outcome}) has no row`,
      );
  }
}

/** One key, one run. */
function judgeKeys({ store, findings }: Ground): void {
  const owners = new Map<string, string>();
  for (const wake of store.tables.agent_wakeup_requests.rows()) {
    if (wake.idempotency_key === null) continue;
    const verdict = store.tables.wake_verdicts.get(wake.agent_id, wake.wake_id)?.verdict as
      { run?: { id: string } } | undefined;
    const runId = verdict?.run?.id;
    if (runId === undefined) continue;
    const key = `${wake.agent_id} ${wake.idempotency_key}`;
    const owner = owners.get(key);
    findings.hold(
      owner === undefined || owner === runId,
      "I16",
      () => `the key ${key} led to the runs ${owner} and ${runId}`,
    );
    owners.set(key, runId);
  }
}

/** A comment that woke an agent was seen by a process that started for it, unless its run was stopped before. */
function judgeComments({ store, witness, findings }: Ground, sent: readonly Sent[]): void {
  const { tables } = store;
  for (const { wake, agentId, verdict } of sent) {
    const commentId = wake?.commentId;
    if (!commentId || verdict === null) continue;
    if (tables.agents.get(agentId)?.deleted_at !== null) continue;
    if (
      !["queued", "coalesced", "deferred"].includes(verdict.outcome) ||
      verdict.reason === "idempotency_key"
    )
      continue;
    const runs = tables.heartbeat_runs
      .by("of_agent", agentId)
      .filter(({ context_snapshot }) => commentsOf(context_snapshot).includes(commentId));
    const waited = tables.agent_wakeup_requests.get(verdict.requestId ?? "");
    const refused = waited?.status === "failed" && waited.run_id === null;
    findings.hold(
      runs.length > 0 || refused,
      "I19",
      () => `comment ${commentId} is in no run's context`,
    );
    const stopped = runs.some(({ status }) => status === "cancelled");
    // One whose go was lost with its runner failed without a process.
    const started = runs.filter(({ id }) => witness.processes.hasStarted(id));
    findings.hold(
      stopped || started.length === 0 || witness.processes.sawComment(commentId),
      "I19",
      () => `comment ${commentId} was seen by no process of run ${started[0]?.id}`,
    );
  }
}

/** The comments that a context has gathered. */
export const commentsOf = (context: unknown): readonly unknown[] => {
  const ids = (context as { wakeCommentIds?: unknown[] } | null)?.wakeCommentIds;
  return Array.isArray(ids) ? ids : [];
};

const nameOf = ({ runId, attempt }: AgentProcess): string => `run ${runId}, attempt ${attempt}`;
