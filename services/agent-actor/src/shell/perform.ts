/**
 * Performs what committed decisions ask for. Everything here is harmless to repeat (each effect says
 * why in `core/decision.ts`), and what does not go out is owed by a row and redone by reconciling, so
 * nothing here is waited for by the next batch; how much is under way is bounded by the publisher.
 */
import { encodePayload } from "@reveille/shared/protocol/codec";
import type { EventFrame } from "@reveille/shared/protocol/events";
import { headers } from "@reveille/shared/protocol/headers";
import { isoTime } from "@reveille/shared/protocol/time";
import type { Subjects } from "@reveille/shared/protocol/subjects";
import type { TopologyNames } from "@reveille/shared/protocol/topology";
import type { Bus } from "@reveille/shared/nats/bus";
import type { Streams } from "@reveille/shared/nats/streams";
import type { StoredPublisher } from "@reveille/shared/nats/stored-publisher";
import type { Sql } from "@reveille/shared/postgres/pool";
import type { Clock } from "@reveille/shared/runtime/clock";
import type { Failpoint } from "@reveille/shared/runtime/failpoint";
import { runFields } from "@reveille/shared/runtime/log";
import type { Logger } from "@reveille/shared/runtime/log";
import type { Tracing } from "@reveille/shared/runtime/tracing";
import type { Effect } from "../core/decision.js";
import { needsFacts, withFacts } from "../core/execution-facts.js";
import { readExecutionFacts } from "./execution-facts.js";
import type { IssueLocks } from "./issue-locks.js";
import type { OwedReleases } from "./owed-releases.js";
import type { RunTokens } from "./run-tokens.js";
import type { TimerSetting } from "./timers.js";

export interface PerformContext {
  bus: Bus;
  clock: Clock;
  streams: Streams;
  pool: Sql;
  publisher: StoredPublisher;
  subjects: Subjects;
  names: TopologyNames;
  locks: IssueLocks;
  owed: OwedReleases;
  tokens: RunTokens;
  tracing: Tracing;
  setTimer: (timer: TimerSetting) => void;
  failpoint: Failpoint;
  logger: Logger;
}

/** What a process waits for goes first: an answer releases a start, a dispatch begins one. */
const urgency: Readonly<Partial<Record<Effect["kind"], number>>> = {
  answer: 0,
  dispatch: 1,
  reply: 2,
};
const noHurry = 3;
const urgencyOf = ({ kind }: Effect): number => urgency[kind] ?? noHurry;

type Dispatch = Extract<Effect, { kind: "dispatch" }>;
/** Its issue or project is read first; every other execution goes out without a look at Postgres. */
const waitsForFacts = (effect: Effect): effect is Dispatch =>
  effect.kind === "dispatch" && needsFacts(effect.execution);

const aboutDispatch = ({ execution, traceparent }: Dispatch): object =>
  runFields({ ...execution, traceparent });
const aboutLock = (effect: { companyId: string; issueId: string; runId: string }): object => ({
  companyId: effect.companyId,
  issueId: effect.issueId,
  runId: effect.runId,
});

export class Performer {
  readonly #context: PerformContext;
  constructor(context: PerformContext) {
    this.#context = context;
  }

  /** Performs them all, the urgent ones first. Never throws. */
  perform(effects: readonly Effect[]): void {
    const waiting = effects.filter(waitsForFacts);
    if (waiting.length > 0) this.#background("dispatch", this.#dispatchWithFacts(waiting));
    for (const effect of [...effects].sort((a, b) => urgencyOf(a) - urgencyOf(b)))
      if (!waitsForFacts(effect)) this.#one(effect);
  }

  #one(effect: Effect): void {
    const { bus, streams, subjects, names } = this.#context;
    switch (effect.kind) {
      case "answer": {
        const { kind: _kind, incarnation, token: _for, ...answer } = effect;
        const token = this.#context.tokens(effect);
        const told = token === undefined ? answer : { ...answer, token };
        return bus.publish(subjects.answer(incarnation), encodePayload(told));
      }
      case "reply":
        return bus.publish(effect.subject, encodePayload(effect.verdict, effect.encoding));
      case "dispatch":
        return this.#background("dispatch", this.#dispatch(effect), aboutDispatch(effect));
      case "withdraw": {
        const subject = subjects.execution(
          effect.pool,
          effect.companyId,
          effect.runId,
          effect.attempt,
        );
        const { companyId, runId, attempt } = effect;
        const withdrawn = streams.purgeSubject(names.exec, subject);
        return this.#background("withdraw", withdrawn, { companyId, runId, attempt });
      }
      case "control": {
        const { kind: _kind, order, companyId, ...control } = effect;
        return bus.publish(
          subjects.control(companyId, effect.runId),
          encodePayload({ kind: order, ...control }),
        );
      }
      case "announce":
        return this.#announce(effect.companyId, effect.type, effect.atMs, effect.payload);
      case "release":
        return this.#background("release", this.#release(effect), aboutLock(effect));
      case "grant":
        return this.#background("grant", this.#grant(effect.issueId, effect), aboutLock(effect));
      case "set-timer":
        return this.#context.setTimer(effect);
    }
  }

  async #dispatchWithFacts(effects: readonly Dispatch[]): Promise<void> {
    const executions = effects.map(({ execution }) => execution);
    const facts = await readExecutionFacts(this.#context.pool, executions);
    for (const [at, effect] of effects.entries()) {
      const execution = withFacts(effect.execution, facts[at]!);
      this.#background("dispatch", this.#dispatch({ ...effect, execution }), aboutDispatch(effect));
    }
  }

  async #dispatch({ pool, execution, traceparent }: Dispatch): Promise<void> {
    const { clock, publisher, subjects, tracing } = this.#context;
    const subject = subjects.execution(
      pool,
      execution.companyId,
      execution.runId,
      execution.attempt,
    );
    const run = traceparent && tracing.named(traceparent, execution.runId);
    const context = run && tracing.child(run);
    const startMs = clock.wallMs();
    const stored = await publisher.publish(subject, encodePayload(execution), {
      onlyIfSubjectEmpty: true,
      ...(context ? { headers: { [headers.traceparent]: context } } : {}),
    });
    // One that was stored already has its own span; this one never left.
    if (!context || !stored) return;
    tracing.record({
      name: "dispatch",
      context,
      parent: run,
      kind: "producer",
      startMs,
      endMs: clock.wallMs(),
      attributes: {
        "reveille.run.id": execution.runId,
        "reveille.attempt": execution.attempt,
        "reveille.pool": pool,
        "messaging.system": "nats",
        "messaging.destination.name": subject,
      },
    });
  }

  #grant(
    issueId: string,
    to: { companyId: string; agentId: string; runId: string; wakeId: string },
  ): Promise<unknown> {
    const { publisher, subjects } = this.#context;
    const { companyId, agentId, runId, wakeId } = to;
    return publisher.publish(
      subjects.mailbox(companyId, agentId, "grant"),
      encodePayload({ issueId, runId, wakeId }),
    );
  }

  async #release(effect: Extract<Effect, { kind: "release" }>): Promise<void> {
    const { locks, owed, failpoint } = this.#context;
    failpoint("before-release");
    const granted = await locks.release(
      effect.companyId,
      effect.issueId,
      effect.runId,
      effect.notAfter,
    );
    failpoint("after-release");
    if (granted) {
      // The grant is acknowledged before the mark goes: a crash in between grants again.
      await this.#grant(effect.issueId, { ...granted, wakeId: granted.requestId });
      const { issueId, runId: releasedBy } = effect;
      const payload = { issueId, releasedBy, runId: granted.runId, agentId: granted.agentId };
      this.#announce(effect.companyId, "issue.lock", this.#context.clock.wallMs(), payload);
    }
    failpoint("before-settle");
    owed.settled(effect.owner, effect.ownerId);
  }

  #announce(
    companyId: string,
    type: EventFrame["type"],
    atMs: number,
    payload: EventFrame["payload"],
  ): void {
    const frame: EventFrame = { type, companyId, createdAt: isoTime(atMs), payload };
    this.#context.bus.publish(
      this.#context.subjects.event(companyId, type),
      Buffer.from(JSON.stringify(frame)),
    );
  }

  #background(what: string, work: Promise<unknown>, about: object = {}): void {
    const { logger } = this.#context;
    work.catch((error: unknown) =>
      logger.warn({ err: error, what, ...about }, "an effect is left to reconciling"),
    );
  }
}
