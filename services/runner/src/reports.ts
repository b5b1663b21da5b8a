/**
 * What a runner incarnation tells the agents' mailboxes, each report again until it is answered: the
 * actor's answer comes after its commit, so an answered report cannot be lost. Repeats are harmless:
 * a claim gets one go, a report of an ended attempt is stale. One timer for all of them.
 */
import type { Bus, BusSubscription } from "@reveille/shared/nats/bus";
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
import { headers } from "@reveille/shared/protocol/headers";
import type { Subjects } from "@reveille/shared/protocol/subjects";
import type { Clock, Timer } from "@reveille/shared/runtime/clock";
import { runFields } from "@reveille/shared/runtime/log";
import type { Logger } from "@reveille/shared/runtime/log";

type Kind = Answer["report"];
export interface Addressee {
  companyId: string;
  agentId: string;
  /** The trace that the report belongs to. */
  traceparent?: string | null;
}
/** The go or no of the actor, or `abandoned`: nobody waits for it any more. `token`: the run's, with a go. */
export interface GoAnswer {
  kind: "go" | "no" | "abandoned";
  token: string | null;
}

export interface Reports {
  /** Asks for the go until it is answered or abandoned. */
  ask(to: Addressee, report: RunStarted): Promise<GoAnswer>;
  abandon(claimId: string): void;
  /**
   * One at a time for a claim. Resolves with whether it is stored: if not, it is sent again until it is
   * answered, or until the end of its attempt is.
   */
  progress(to: Addressee, report: RunProgress, onAnswered: () => void): Promise<boolean>;
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

interface Reported {
  runId: string;
  attempt: number;
  claimId: string;
}
interface Open {
  subject: string;
  payload: Uint8Array;
  headers: Record<string, string> | undefined;
  /** For lines of the log about it. */
  fields: object;
  pauseMs: number;
  /** Infinity while the publisher still tries by itself. */
  nextAt: number;
  kind: Kind;
  /** Null: nobody waits any more. */
  answered: (kind: AnswerKind | null, token?: string) => void;
}

export interface ReportsOptions {
  clock: Clock;
  bus: Bus;
  stored: StoredPublisher;
  subjects: Subjects;
  incarnation: string;
  /** The report of an ended attempt was answered. */
  onEnded: () => void;
  logger: Logger;
}

export const createReports = (options: ReportsOptions): Reports => new ReportSender(options);

const isEnd = (kind: Kind): boolean => kind === "finished" || kind === "lost";

class ReportSender implements Reports {
  readonly #clock: Clock;
  readonly #bus: Bus;
  readonly #stored: StoredPublisher;
  readonly #subjects: Subjects;
  readonly #onEnded: () => void;
  readonly #logger: Logger;
  readonly #open = new Map<string, Open>();
  readonly #subscription: BusSubscription;
  readonly #sweep: Timer;
  /** Open reports of ended attempts. */
  #ended = 0;
  #waiting: (() => void)[] = [];
  #closed = false;

  constructor({ clock, bus, stored, subjects, incarnation, onEnded, logger }: ReportsOptions) {
    this.#clock = clock;
    this.#bus = bus;
    this.#stored = stored;
    this.#subjects = subjects;
    this.#onEnded = onEnded;
    this.#logger = logger;
    this.#subscription = bus.subscribe(subjects.answer(incarnation), ({ data }) =>
      this.#hear(data),
    );
    this.#sweep = clock.every(sweepEveryMs, () => this.#resend());
  }

  ask(to: Addressee, report: RunStarted): Promise<GoAnswer> {
    return new Promise((resolve) => {
      const entry = this.#add("started", to, report, (answer, token) => {
        const kind = answer === null ? "abandoned" : answer === "go" ? "go" : "no";
        resolve({ kind, token: kind === "go" ? (token ?? null) : null });
      });
      // Without an acknowledgement of its own: the answer is one, and it costs a third less.
      this.#bus.publish(entry.subject, entry.payload, entry.headers);
      entry.nextAt = this.#clock.monotonicMs() + resendFirstMs;
    });
  }

  abandon(claimId: string): void {
    const key = `${claimId}:started`;
    const entry = this.#open.get(key);
    if (!entry) return;
    this.#drop(key, entry);
    entry.answered(null);
  }

  progress(to: Addressee, report: RunProgress, onAnswered: () => void): Promise<boolean> {
    return this.#store("progress", to, report, onAnswered);
  }
  async finished(to: Addressee, report: RunFinished): Promise<void> {
    await this.#store("finished", to, report);
  }
  async lost(to: Addressee, report: RunLost): Promise<void> {
    await this.#store("lost", to, report);
  }

  get unanswered(): number {
    return this.#ended;
  }

  async settled(limitMs: number): Promise<number> {
    if (this.#ended === 0) return 0;
    await new Promise<void>((resolve) => {
      const limit = this.#clock.after(limitMs, resolve);
      this.#waiting.push(() => {
        limit.cancel();
        resolve();
      });
    });
    return this.#ended;
  }

  close(): void {
    this.#closed = true;
    this.#sweep.cancel();
    this.#subscription.unsubscribe();
    this.#open.clear();
  }

  #add(kind: Kind, to: Addressee, report: Reported, answered: Open["answered"]): Open {
    const entry: Open = {
      subject: this.#subjects.mailbox(to.companyId, to.agentId, `run.${kind}`),
      payload: encodePayload(report),
      headers: to.traceparent ? { [headers.traceparent]: to.traceparent } : undefined,
      fields: runFields({ ...to, ...report }),
      pauseMs: resendFirstMs,
      nextAt: Infinity,
      kind,
      answered,
    };
    const key = `${report.claimId}:${kind}`;
    if (isEnd(kind) && !this.#open.has(key)) this.#ended += 1;
    this.#open.set(key, entry);
    return entry;
  }

  #drop(key: string, entry: Open): void {
    if (!this.#open.delete(key) || !isEnd(entry.kind)) return;
    this.#ended -= 1;
    this.#onEnded();
    if (this.#ended === 0) for (const resolve of this.#waiting.splice(0)) resolve();
  }

  async #store(
    kind: Kind,
    to: Addressee,
    report: Reported,
    answered: () => void = () => undefined,
  ): Promise<boolean> {
    const entry = this.#add(kind, to, report, answered);
    try {
      const { headers: own } = entry;
      await this.#stored.publish(entry.subject, entry.payload, own ? { headers: own } : {});
      return true;
    } catch (error) {
      if (this.#closed) return false;
      // Sent again below all the same: nothing else would end this run before its lease does.
      const { claimId } = report;
      this.#logger.error({ err: error, ...entry.fields, claimId, kind }, "a report was not stored");
      return false;
    } finally {
      entry.nextAt = this.#clock.monotonicMs() + entry.pauseMs;
    }
  }

  #hear(data: Uint8Array): void {
    const answer = readAnswer(data);
    if (!answer) return this.#logger.warn("an answer could not be read");
    const key = `${answer.claimId}:${answer.report}`;
    const entry = this.#open.get(key);
    if (!entry) return;
    this.#drop(key, entry);
    entry.answered(answer.answer, answer.token);
    if (!isEnd(answer.report)) return;
    // Over for this claim: a progress report on its way has been overtaken.
    this.#open.delete(`${answer.claimId}:progress`);
    if (answer.answer !== "committed")
      this.#logger.warn({ ...entry.fields, answer }, "the report changed nothing");
  }

  #resend(): void {
    if (!this.#bus.connected) return;
    const now = this.#clock.monotonicMs();
    for (const entry of this.#open.values()) {
      if (entry.nextAt > now) continue;
      this.#bus.publish(entry.subject, entry.payload, entry.headers);
      if (entry.kind !== "started") entry.pauseMs = Math.min(entry.pauseMs * 2, resendMaxMs);
      entry.nextAt = now + entry.pauseMs;
    }
  }
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
