/**
 * What a guard says in place of its runner: these attempts are lost, or over with a result that the runner
 * had not got out, these executions may be taken by somebody else, this lease is over. Bounded: whoever cannot be told notices by the lease.
 */
import type { Bucket } from "@reveille/shared/nats/bucket";
import type { Bus } from "@reveille/shared/nats/bus";
import type { StoredPublisher } from "@reveille/shared/nats/stored-publisher";
import { nakPayload } from "@reveille/shared/nats/work-queue";
import { encodePayload } from "@reveille/shared/protocol/codec";
import type { RunLost } from "@reveille/shared/protocol/execution";
import { headers } from "@reveille/shared/protocol/headers";
import { createSubjects } from "@reveille/shared/protocol/subjects";
import { pause } from "@reveille/shared/runtime/clock";
import type { Clock } from "@reveille/shared/runtime/clock";
import type { Logger } from "@reveille/shared/runtime/log";
import type { LostReason } from "../core/stop.js";
import type { ClaimNote, Hello } from "./guard-protocol.js";

export interface GuardConnection {
  bus: Bus;
  stored: StoredPublisher;
  leases: () => Promise<Bucket>;
  close: () => Promise<void>;
}
export interface LastWordsPorts {
  clock: Clock;
  /** @throws Error when NATS cannot be reached. */
  connect: (hello: Hello) => Promise<GuardConnection>;
}

/** One minute: two leases. Then every claim has been noticed by its lease anyway. */
const patienceMs = 60_000;
/** Between tries. */
const pauseMs = { first: 100, max: 2_000 } as const;

/** Publishes `run.lost` for each claim, or `run.finished` with the report that it came to; with `runner_gone` also gives executions back and ends the lease. */
export async function sayLost(
  { clock, connect }: LastWordsPorts,
  hello: Hello,
  claims: readonly ClaimNote[],
  reason: LostReason,
  logger: Logger,
): Promise<void> {
  if (claims.length === 0 && reason !== "runner_gone") return;
  const giveUpAt = clock.monotonicMs() + patienceMs;
  for (let again: number = pauseMs.first; clock.monotonicMs() < giveUpAt;) {
    let connection: GuardConnection | null = null;
    try {
      connection = await connect(hello);
      await publishAll(connection, hello, claims, reason);
      if (reason === "runner_gone") await endLease(connection, hello);
      return;
    } catch (error) {
      logger.warn({ err: error, claims: claims.length }, "cannot report the lost attempts yet");
      await pause(clock, again);
      again = Math.min(again * 2, pauseMs.max);
    } finally {
      await connection?.close();
    }
  }
  logger.error({ claims: claims.length }, "gave up reporting lost attempts; their lease tells");
}

const traced = ({ traceparent }: ClaimNote) =>
  traceparent === null ? {} : { headers: { [headers.traceparent]: traceparent } };

async function publishAll(
  { bus, stored }: GuardConnection,
  hello: Hello,
  claims: readonly ClaimNote[],
  reason: LostReason,
): Promise<void> {
  const subjects = createSubjects(hello.subjectPrefix);
  await Promise.all(
    claims.map((claim) => {
      // Not acknowledged yet: without this it would come back only after ack_wait.
      if (claim.ackSubject !== null) bus.publish(claim.ackSubject, nakPayload(0));
      if (claim.report) {
        // A result that was paid for. Repeated when the runner had sent it already: the second one is stale.
        const finished = subjects.mailbox(claim.companyId, claim.agentId, "run.finished");
        return stored.publish(finished, encodePayload(claim.report), traced(claim));
      }
      const lost: RunLost = {
        runId: claim.runId,
        attempt: claim.attempt,
        claimId: claim.claimId,
        incarnation: hello.incarnation,
        reason,
      };
      const subject = subjects.mailbox(claim.companyId, claim.agentId, "run.lost");
      return stored.publish(subject, encodePayload(lost), traced(claim));
    }),
  );
  await bus.flush();
}

async function endLease({ leases }: GuardConnection, hello: Hello): Promise<void> {
  const bucket = await leases();
  const entry = await bucket.get(hello.incarnation);
  if (entry) await bucket.remove(hello.incarnation, entry.revision);
}
