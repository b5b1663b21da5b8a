/**
 * What is told of an attempt while it runs: its events, and what it has used. The first report of a run
 * that lasts goes out soon, further ones at most once a second; whatever a short run has to say travels
 * with its end. Reports are numbered and leave one after another, the next when the last is stored: the
 * actor takes an older number for a repeat.
 */
import type { Execution, RunEvent, UsageSoFar } from "@reveille/shared/protocol/execution";
import type { Clock, Timer } from "@reveille/shared/runtime/clock";
import type { Reports } from "./reports.js";
import { warningEvent } from "./warning-event.js";

export interface Progress {
  tell(event: RunEvent): void;
  /** The latest stands for all before it. */
  used(soFar: UsageSoFar): void;
  /** Nothing more comes: waits for what is on its way, and answers what has to travel with the end. */
  close(): Promise<{ events: RunEvent[]; progressCount: number }>;
}
interface Claim {
  runId: string;
  attempt: number;
  claimId: string;
  incarnation: string;
}

/**
 * Runs shorter than this tell their invocation with their end: a message less, and one decision, for runs
 * that nobody can watch. With 64 slots full of `/bin/true` on two cores a run takes about 200 ms.
 */
const shortRunMs = 250;
const everyMs = 1_000;
/** What a report may hold (`runProgressSchema`). */
const reportEventsMax = 64;
/** In characters of JSON, at most three bytes each: a quarter of the message limit (512 KiB). */
const reportCharsMax = 44_000;
/** Waiting events: a minute's worth at one report a second would be 3,840; nobody reads those. */
const waitingMax = 512;

export function createProgress(
  reports: Pick<Reports, "progress">,
  execution: Execution,
  claim: Claim,
  clock: Clock,
): Progress {
  return new ProgressReports(reports, execution, claim, clock);
}

class ProgressReports implements Progress {
  readonly #reports: Pick<Reports, "progress">;
  readonly #execution: Execution;
  readonly #claim: Claim;
  readonly #clock: Clock;
  #events: Waiting[] = [];
  #leftOut = 0;
  #usage: UsageSoFar | null = null;
  #count = 0;
  #sending: Promise<void> | null = null;
  /** The last report could not be stored and is sent again until it is answered: nothing may overtake it. */
  #stuck = false;
  #timer: Timer | null = null;
  #closed = false;

  constructor(
    reports: Pick<Reports, "progress">,
    execution: Execution,
    claim: Claim,
    clock: Clock,
  ) {
    this.#reports = reports;
    this.#execution = execution;
    this.#claim = claim;
    this.#clock = clock;
  }

  tell(event: RunEvent): void {
    if (this.#events.length < waitingMax) this.#events.push(waiting(event));
    else this.#leftOut += 1;
    this.#plan();
  }

  used(soFar: UsageSoFar): void {
    this.#usage = soFar;
    this.#plan();
  }

  async close(): Promise<{ events: RunEvent[]; progressCount: number }> {
    this.#closed = true;
    this.#timer?.cancel();
    await this.#sending;
    if (this.#leftOut > 0)
      this.#events.push(
        waiting(
          warningEvent(
            `${this.#leftOut} events were too many and are left out`,
            this.#clock.wallMs(),
          ),
        ),
      );
    // What does not fit beside the result goes before it. The result has the usage itself.
    while (!this.#stuck && fitting(this.#events) < this.#events.length) await this.#send();
    return { events: this.#take(), progressCount: this.#count };
  }

  #plan(): void {
    if (this.#closed || this.#timer || this.#sending || this.#stuck) return;
    if (this.#events.length === 0 && !this.#usage) return;
    const pauseMs = this.#count === 0 ? shortRunMs : everyMs;
    this.#timer = this.#clock.after(pauseMs, () => {
      this.#timer = null;
      this.#sending = this.#send().finally(() => {
        this.#sending = null;
        this.#plan();
      });
    });
  }

  /** Never rejects. */
  async #send(): Promise<void> {
    this.#count += 1;
    const usage = this.#usage;
    this.#usage = null;
    let answered = false;
    const stored = await this.#reports.progress(
      this.#execution,
      { ...this.#claim, progressId: this.#count, events: this.#take(), usage },
      () => {
        answered = true;
        this.#stuck = false;
        this.#plan();
      },
    );
    this.#stuck = !stored && !answered;
  }

  #take(): RunEvent[] {
    return this.#events.splice(0, Math.max(1, fitting(this.#events))).map(({ event }) => event);
  }
}

interface Waiting {
  event: RunEvent;
  /** Of its JSON. */
  chars: number;
}
const waiting = (event: RunEvent): Waiting => ({ event, chars: JSON.stringify(event).length });

/** How many of the first events fit into one report. */
function fitting(events: readonly Waiting[]): number {
  let chars = 0;
  let count = 0;
  for (const one of events) {
    chars += one.chars;
    if (count >= reportEventsMax || (count > 0 && chars > reportCharsMax)) break;
    count += 1;
  }
  return count;
}
