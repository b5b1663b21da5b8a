/**
 * What a runner incarnation tells the agents' mailboxes, each report again until it is answered: the
 * actor's answer comes after its commit, so an answered report cannot be lost. Repeats are harmless:
 * a claim gets one go, a report of an ended attempt is stale. One timer for all of them.
 */
import type { Bus } from "@reveille/shared/nats/bus";
import type { StoredPublisher } from "@reveille/shared/nats/stored-publisher";
import { decodeTrusted, encodePayload } from "@reveille/shared/protocol/codec";
import type {
  Answer,
  AnswerKind,
  RunFinished,
  RunLost,
  RunProgress,
  RunStarted,
} from "@reveille/shared/protocol/execution";
import type { Subjects } from "@reveille/shared/protocol/subjects";
import type { Logger } from "@reveille/shared/runtime/log";

type Kind = Answer["report"];
export interface Addressee {
  companyId: string;
  agentId: string;
}
/** The go or no of the actor, or `abandoned`: nobody waits for it any more. */
export type GoAnswer = "go" | "no" | "abandoned";

export interface Reports {
  /** Asks for the go until it is answered or abandoned. */
  ask(to: Addressee, report: RunStarted): Promise<GoAnswer>;
  abandon(claimId: string): void;
  /** One at a time for a claim. Resolves when it is stored, or could not be. */
  progress(to: Addressee, report: RunProgress): Promise<void>;
  /** Resolves when JetStream has it; from then on the report is sent again until it is answered. */
  finished(to: Addressee, report: RunFinished): Promise<void>;
  lost(to: Addressee, report: RunLost): Promise<void>;
  /** Reports of ended attempts without an answer. */
  readonly unanswered: number;
  /** Resolves when everything is answered, or after `limitMs`: then with what is left. */
  settled(limitMs: number): Promise<number>;
  close(): void;
}

/** First pause: a healthy actor answers in milliseconds, a takeover lasts a lease (3 s). */
const resendFirstMs = 2_000;
const resendMaxMs = 15_000;
const sweepEveryMs = 250;

interface Open {
  subject: string;
  payload: Uint8Array;
  pauseMs: number;
  /** Infinity while the publisher still tries by itself. */
  nextAt: number;
  kind: Kind;
  /** Null: nobody waits any more. */
  answered: (kind: AnswerKind | null) => void;
}

export function createReports(
  bus: Bus,
  stored: StoredPublisher,
  subjects: Subjects,
  incarnation: string,
  logger: Logger,
): Reports {
  const open = new Map<string, Open>();
  let ended = 0;
  let waiting: (() => void)[] = [];
  let closed = false;
  const isEnd = (kind: Kind): boolean => kind === "finished" || kind === "lost";

  const drop = (key: string, entry: Open): void => {
    if (!open.delete(key)) return;
    if (isEnd(entry.kind)) ended -= 1;
    if (ended === 0) for (const resolve of waiting.splice(0)) resolve();
  };
  const add = (key: string, entry: Open): void => {
    if (isEnd(entry.kind) && !open.has(key)) ended += 1;
    open.set(key, entry);
  };
  const subscription = bus.subscribe(subjects.answer(incarnation), (message) => {
    const answer = readAnswer(message.data);
    if (!answer) return logger.warn("an answer could not be read");
    const key = `${answer.claimId}:${answer.report}`;
    const entry = open.get(key);
    if (!entry) return;
    drop(key, entry);
    entry.answered(answer.answer);
    if (!isEnd(answer.report)) return;
    // Over for this claim: a progress report on its way has been overtaken.
    open.delete(`${answer.claimId}:progress`);
    if (answer.answer !== "committed")
      logger.warn(
        {
          runId: answer.runId,
          attempt: answer.attempt,
          report: answer.report,
          answer: answer.answer,
          reason: answer.reason,
        },
        "the report changed nothing",
      );
  });
  const sweep = setInterval(() => {
    if (!bus.connected) return;
    const now = performance.now();
    for (const entry of open.values()) {
      if (entry.nextAt > now) continue;
      bus.publish(entry.subject, entry.payload);
      entry.pauseMs =
        entry.kind === "started" ? resendFirstMs : Math.min(entry.pauseMs * 2, resendMaxMs);
      entry.nextAt = now + entry.pauseMs;
    }
  }, sweepEveryMs);

  const store = async (kind: Kind, to: Addressee, report: { claimId: string }): Promise<void> => {
    const entry: Open = {
      subject: subjects.mailbox(to.companyId, to.agentId, `run.${kind}`),
      payload: encodePayload(report),
      pauseMs: resendFirstMs,
      nextAt: Infinity,
      kind,
      answered: () => undefined,
    };
    add(`${report.claimId}:${kind}`, entry);
    try {
      await stored.publish(entry.subject, entry.payload);
    } catch (error) {
      if (closed) return;
      // Sent again below all the same: nothing else would end this run before its lease does.
      logger.error({ err: error, claimId: report.claimId, kind }, "a report was not stored");
    } finally {
      entry.nextAt = performance.now() + entry.pauseMs;
    }
  };
  return {
    ask: (to, report) =>
      new Promise((resolve) => {
        const entry: Open = {
          subject: subjects.mailbox(to.companyId, to.agentId, "run.started"),
          payload: encodePayload(report),
          pauseMs: resendFirstMs,
          nextAt: performance.now() + resendFirstMs,
          kind: "started",
          answered: (kind) => resolve(kind === null ? "abandoned" : kind === "go" ? "go" : "no"),
        };
        add(`${report.claimId}:started`, entry);
        // Without an acknowledgement of its own: the answer is one, and it costs a third less.
        bus.publish(entry.subject, entry.payload);
      }),
    abandon: (claimId) => {
      const entry = open.get(`${claimId}:started`);
      if (!entry) return;
      drop(`${claimId}:started`, entry);
      entry.answered(null);
    },
    progress: (to, report) => store("progress", to, report),
    finished: (to, report) => store("finished", to, report),
    lost: (to, report) => store("lost", to, report),
    get unanswered() {
      return ended;
    },
    settled: async (limitMs) => {
      if (ended === 0) return 0;
      await new Promise<void>((resolve) => {
        const limit = setTimeout(resolve, limitMs);
        waiting.push(() => {
          clearTimeout(limit);
          resolve();
        });
      });
      return ended;
    },
    close: () => {
      closed = true;
      clearInterval(sweep);
      subscription.unsubscribe();
      waiting = [];
      open.clear();
    },
  };
}

/** Ours and trusted, but a runner must not fall over what somebody published by hand. */
function readAnswer(data: Uint8Array): Answer | null {
  try {
    const answer = decodeTrusted(data) as Partial<Answer> | null;
    return typeof answer?.claimId === "string" &&
      typeof answer.report === "string" &&
      typeof answer.answer === "string"
      ? (answer as Answer)
      : null;
  } catch {
    return null;
  }
}
