// Owns the watch over the bucket of issue locks: it sees every write at the instant at which the server takes it. A lock passes from a run
// only when Postgres does not say that the run holds the issue (I11): commit, then hand over.
import { lockSchema } from "@reveille/shared/protocol/issue-lock";
import type { LockValue } from "@reveille/shared/protocol/issue-lock";
import type { JetStream } from "../nats/jetstream.js";
import type { StoredMsg } from "../nats/stream.js";
import type { Tables } from "../store/tables.js";
import type { Findings } from "./findings.js";
import type { Trace } from "./trace.js";

export interface LockWatch {
  jetstream: JetStream;
  /** The stream that keeps the bucket. */
  stream: string;
  tables: Tables;
  findings: Findings;
  trace: Trace;
  nowMs: () => number;
}

/** Watches from now on, also over buckets that are made anew. */
export function watchLocks({ jetstream, stream, tables, findings, trace, nowMs }: LockWatch): void {
  const store = jetstream.store.bind(jetstream);
  jetstream.store = (kept, subject, data, headers) => {
    if (kept.config.name !== stream) return store(kept, subject, data, headers);
    const before = lockOf(kept.last(subject));
    const stored = store(kept, subject, data, headers);
    const after = lockOf(kept.last(subject));
    trace.note(nowMs(), "locks", subject.slice(-12), `${said(before)} => ${said(after)}`);
    const holder = before?.holder.runId;
    if (holder === undefined || holder === after?.holder.runId) return stored;
    findings.hold(
      tables.heartbeat_runs.get(holder)?.holds_issue !== true,
      "I11",
      () =>
        `the lock ${subject} passes from run ${holder}, which holds the issue, to ${after?.holder.runId}`,
    );
    return stored;
  };
}

/** The lock in a stored message; null: it is free, or nobody can read it. */
export function lockOf(message: StoredMsg | undefined): LockValue | null {
  if (!message || message.headers?.["KV-Operation"] !== undefined) return null;
  return lockSchema.safeParse(JSON.parse(Buffer.from(message.data).toString())).data ?? null;
}

const said = (value: LockValue | null): string =>
  value === null
    ? "free"
    : `${value.holder.runId.slice(0, 8)} < ${value.waiters.map(({ runId }) => runId.slice(0, 8)).join(" ")}`;
