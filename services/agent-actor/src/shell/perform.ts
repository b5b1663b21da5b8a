/**
 * Performs what committed decisions ask for. Everything here is harmless to repeat (each effect says
 * why in `core/decision.ts`), and what does not go out is owed by a row and redone by reconciling, so
 * nothing here is waited for by the next batch; how much is under way is bounded by the publisher.
 */
import { encodePayload } from "@reveille/shared/protocol/codec";
import type { EventFrame } from "@reveille/shared/protocol/events";
import { isoTime } from "@reveille/shared/protocol/time";
import type { Subjects } from "@reveille/shared/protocol/subjects";
import type { TopologyNames } from "@reveille/shared/protocol/topology";
import type { Bus } from "@reveille/shared/nats/bus";
import { purgeSubject } from "@reveille/shared/nats/stream-facts";
import type { StoredPublisher } from "@reveille/shared/nats/stored-publisher";
import type { Logger } from "@reveille/shared/runtime/log";
import type { Effect } from "../core/decision.js";
import type { LockEntry } from "../core/lock.js";
import type { IssueLocks } from "./issue-locks.js";
import type { OwedReleases } from "./owed-releases.js";

export interface PerformContext {
  bus: Bus;
  publisher: StoredPublisher;
  subjects: Subjects;
  names: TopologyNames;
  locks: IssueLocks;
  owed: OwedReleases;
  setTimer: (companyId: string, agentId: string, dueAtMs: number | null) => void;
  logger: Logger;
}

export type Perform = (effects: readonly Effect[]) => void;

export function createPerform(context: PerformContext): Perform {
  const { bus, publisher, subjects, logger } = context;
  const background = (what: string, work: Promise<unknown>): void => {
    work.catch((error: unknown) =>
      logger.warn({ err: error, what }, "an effect is left to reconciling"),
    );
  };
  const grant = (
    issueId: string,
    to: LockEntry | Extract<Effect, { kind: "grant" }>,
  ): Promise<unknown> => {
    const wakeId = "requestId" in to ? to.requestId : to.wakeId;
    return publisher.publish(
      subjects.mailbox(to.companyId, to.agentId, "grant"),
      encodePayload({ issueId, runId: to.runId, wakeId }),
    );
  };
  const release = async (effect: Extract<Effect, { kind: "release" }>): Promise<void> => {
    const granted = await context.locks.release(effect.companyId, effect.issueId, effect.runId);
    // The grant is acknowledged before the mark goes: a crash in between grants again.
    if (granted) {
      await grant(effect.issueId, granted);
      announce(effect.companyId, "issue.lock", Date.now(), {
        issueId: effect.issueId,
        releasedBy: effect.runId,
        runId: granted.runId,
        agentId: granted.agentId,
      });
    }
    context.owed.settled(effect.owner, effect.ownerId);
  };
  const announce = (
    companyId: string,
    type: EventFrame["type"],
    atMs: number,
    payload: EventFrame["payload"],
  ): void => {
    const frame: EventFrame = { type, companyId, createdAt: isoTime(atMs), payload };
    bus.publish(subjects.event(companyId, type), Buffer.from(JSON.stringify(frame)));
  };

  const performOne = (effect: Effect): void => {
    switch (effect.kind) {
      case "answer": {
        const { kind: _kind, incarnation, ...answer } = effect;
        return bus.publish(subjects.answer(incarnation), encodePayload(answer));
      }
      case "reply":
        return bus.publish(effect.subject, encodePayload(effect.verdict, effect.encoding));
      case "dispatch": {
        const { companyId, runId, attempt } = effect.execution;
        const subject = subjects.execution(effect.pool, companyId, runId, attempt);
        return background(
          "dispatch",
          publisher.publish(subject, encodePayload(effect.execution), { onlyIfSubjectEmpty: true }),
        );
      }
      case "withdraw": {
        const subject = subjects.execution(
          effect.pool,
          effect.companyId,
          effect.runId,
          effect.attempt,
        );
        return background("withdraw", purgeSubject(bus, context.names.exec, subject));
      }
      case "control": {
        const { kind: _kind, companyId, ...control } = effect;
        return bus.publish(
          subjects.control(companyId, effect.runId),
          encodePayload({ kind: "cancel", ...control }),
        );
      }
      case "announce":
        return announce(effect.companyId, effect.type, effect.atMs, effect.payload);
      case "release":
        return background("release", release(effect));
      case "grant":
        return background("grant", grant(effect.issueId, effect));
      case "set-timer":
        return context.setTimer(effect.companyId, effect.agentId, effect.dueAtMs);
    }
  };
  // What a process waits for goes first: an answer releases a start, a dispatch begins one.
  const urgency = (effect: Effect): number =>
    effect.kind === "answer" ? 0 : effect.kind === "dispatch" ? 1 : effect.kind === "reply" ? 2 : 3;
  return (effects) => {
    for (const effect of [...effects].sort((a, b) => urgency(a) - urgency(b))) performOne(effect);
  };
}
