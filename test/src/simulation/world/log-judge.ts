// Owns the last look at logs (I6): what the stream keeps of an attempt is, piece by piece, what its run says of it. Knows nothing of who
// wrote it.
import { headers } from "@reveille/shared/protocol/headers";
import type { StoredMsg } from "../nats/stream.js";
import type { Ground } from "./ground.js";
import { isOver } from "./rows.js";

/** Judges every sealed log; call only when JetStream has lost nothing. */
export function judgeLogs({ nats, names, witness, findings }: Ground): void {
  const pieces = new Map<string, Map<number, StoredMsg>>();
  for (const message of nats.jetstream.peek(names.logs)?.messages ?? []) {
    const runId = message.subject.split(".")[3]!;
    const key = `${runId}:${message.headers?.[headers.logAttempt]}`;
    if (message.headers?.[headers.logEnd] !== undefined) continue;
    const known = pieces.get(key) ?? new Map<number, StoredMsg>();
    // A repeat after a lost acknowledgement is the same piece again.
    known.set(Number(message.headers?.[headers.logSequence]), message);
    pieces.set(key, known);
  }
  for (const run of witness.runs.all) {
    if (!isOver(run.status) || run.log_bytes === null || run.log_cut !== null) continue;
    const kept = pieces.get(`${run.id}:${run.attempt}`) ?? new Map<number, StoredMsg>();
    const bytes = [...kept.values()].reduce((sum, { data }) => sum + data.length, 0);
    findings.hold(
      bytes === run.log_bytes && kept.size === Math.max(-1, ...kept.keys()) + 1,
      "I6",
      () =>
        `the log of run ${run.id} has ${bytes} bytes in ${kept.size} pieces, its run says ${run.log_bytes}`,
    );
  }
}
