/**
 * What a guard says in place of its runner: these attempts are lost, these executions may be taken by
 * somebody else, this lease is over. Bounded: whoever cannot be told notices by the lease.
 */
import { connectBus } from "@reveille/shared/nats/bus";
import type { NatsBus } from "@reveille/shared/nats/bus";
import { openBucket } from "@reveille/shared/nats/bucket";
import { StoredPublisher } from "@reveille/shared/nats/stored-publisher";
import { nakPayload } from "@reveille/shared/nats/work-queue";
import { runnerInboxPrefix } from "@reveille/shared/protocol/secrets";
import { encodePayload } from "@reveille/shared/protocol/codec";
import type { RunLost } from "@reveille/shared/protocol/execution";
import { createSubjects } from "@reveille/shared/protocol/subjects";
import { topologyNames } from "@reveille/shared/protocol/topology";
import type { Logger } from "@reveille/shared/runtime/log";
import type { LostReason } from "../core/stop.js";
import type { ClaimNote, Hello } from "./guard-protocol.js";

/** One minute: two leases. Then every claim has been noticed by its lease anyway. */
const patienceMs = 60_000;

/** Publishes `run.lost` for each claim; with `runner_gone` also gives executions back and ends the lease. */
export async function sayLost(
  hello: Hello,
  claims: readonly ClaimNote[],
  reason: LostReason,
  logger: Logger,
): Promise<void> {
  if (claims.length === 0 && reason !== "runner_gone") return;
  const giveUpAt = performance.now() + patienceMs;
  for (let pause = 100; performance.now() < giveUpAt; pause = Math.min(pause * 2, 2_000)) {
    let bus: NatsBus | null = null;
    try {
      bus = await connectBus({
        url: hello.natsUrl,
        credsFile: hello.natsCredsFile,
        name: `reveille-guard-${hello.runnerId}`,
        inboxPrefix: runnerInboxPrefix,
        connectTimeoutMs: 5_000,
      });
      await publishAll(bus, hello, claims, reason);
      if (reason === "runner_gone") await endLease(bus, hello);
      return;
    } catch (error) {
      logger.warn({ err: error, claims: claims.length }, "cannot report the lost attempts yet");
      await new Promise<void>((resume) => setTimeout(resume, pause));
    } finally {
      await bus?.close();
    }
  }
  logger.error({ claims: claims.length }, "gave up reporting lost attempts; their lease tells");
}

async function publishAll(
  bus: NatsBus,
  hello: Hello,
  claims: readonly ClaimNote[],
  reason: LostReason,
): Promise<void> {
  const subjects = createSubjects(hello.subjectPrefix);
  const stored = new StoredPublisher(bus);
  try {
    await Promise.all(
      claims.map((claim) => {
        // Not acknowledged yet: without this it would come back only after ack_wait.
        if (claim.ackSubject !== null) bus.publish(claim.ackSubject, nakPayload(0));
        const lost: RunLost = {
          runId: claim.runId,
          attempt: claim.attempt,
          claimId: claim.claimId,
          incarnation: hello.incarnation,
          reason,
        };
        const subject = subjects.mailbox(claim.companyId, claim.agentId, "run.lost");
        return stored.publish(subject, encodePayload(lost));
      }),
    );
    await bus.flush();
  } finally {
    stored.close();
  }
}

async function endLease(bus: NatsBus, hello: Hello): Promise<void> {
  const bucket = await openBucket(bus, topologyNames(hello.subjectPrefix).runnerLeases);
  const entry = await bucket.get(hello.incarnation);
  if (entry) await bucket.remove(hello.incarnation, entry.revision);
}
