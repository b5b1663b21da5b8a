/**
 * A company's live events, fanned out: one NATS subscription per company however many listeners
 * there are. Frames are told, not kept.
 */
import type { NatsBus, BusSubscription } from "@reveille/shared/nats/bus";
import type { Subjects } from "@reveille/shared/protocol/subjects";
import type { Logger } from "@reveille/shared/runtime/log";
import { z } from "zod";

const frameSchema = z.object({
  type: z.string(),
  companyId: z.string(),
  createdAt: z.string(),
  payload: z.record(z.string(), z.unknown()),
});
export interface LiveFrame {
  type: string;
  /** The frame as JSON without its opening brace: each reader puts its own number before it. */
  rest: string;
}
type Listener = (frame: LiveFrame) => void;

export interface LiveEvents {
  /** Calls the listener for every frame from now on; returns what ends that. */
  listen(companyId: string, listener: Listener): () => void;
  /**
   * Asks again whenever something happened in the company (and every 500 ms, because events may get
   * lost) until the answer is not null; null at the deadline.
   */
  until<T>(companyId: string, deadlineMs: number, ask: () => Promise<T | null>): Promise<T | null>;
  /** Resolves when the server knows every listener there is now: from then on none misses a frame. */
  settled(): Promise<void>;
  readonly companies: number;
}

/** How often `until` asks when no event told it to, and how long it waits between two asks at least. */
const askAnywayMs = 500;
const askPauseMs = 20;

export function createLiveEvents(bus: NatsBus, subjects: Subjects, logger: Logger): LiveEvents {
  const companies = new Map<string, { listeners: Set<Listener>; subscription: BusSubscription }>();

  const listen = (companyId: string, listener: Listener): (() => void) => {
    let company = companies.get(companyId);
    if (!company) {
      const listeners = new Set<Listener>();
      const subscription = bus.subscribe(subjects.companyEvents(companyId), (message) => {
        const frame = readFrame(message.data);
        // The subject says whose event it is, and who may publish there; the payload only repeats it.
        if (frame?.companyId !== companyId)
          logger.warn({ subject: message.subject }, "dropped an event that is none");
        else {
          const told = { type: frame.type, rest: JSON.stringify(frame).slice(1) };
          for (const each of listeners) each(told);
        }
      });
      company = { listeners, subscription };
      companies.set(companyId, company);
    }
    const { listeners, subscription } = company;
    listeners.add(listener);
    return () => {
      if (!listeners.delete(listener) || listeners.size > 0) return;
      subscription.unsubscribe();
      companies.delete(companyId);
    };
  };

  return {
    listen,
    until: async (companyId, deadlineMs, ask) => {
      const end = performance.now() + deadlineMs;
      let happened = false;
      let wake: () => void = () => undefined;
      const stop = listen(companyId, (frame) => {
        // A chunk of output changes no row.
        if (frame.type === "heartbeat.run.log") return;
        happened = true;
        wake();
      });
      try {
        for (;;) {
          happened = false;
          const answer = await ask();
          if (answer !== null) return answer;
          const leftMs = end - performance.now();
          if (leftMs <= 0) return null;
          const pauseMs = happened ? askPauseMs : askAnywayMs;
          await new Promise<void>((resolve) => {
            const timer = setTimeout(resolve, Math.min(pauseMs, leftMs));
            wake = () => {
              if (pauseMs === askPauseMs) return;
              clearTimeout(timer);
              resolve();
            };
          });
        }
      } finally {
        stop();
      }
    },
    // While NATS is away nothing comes that could be missed; a reader must not wait for its return to be let in.
    settled: () => (bus.connected ? bus.flush() : Promise.resolve()),
    get companies() {
      return companies.size;
    },
  };
}

function readFrame(data: Uint8Array): z.infer<typeof frameSchema> | null {
  try {
    const read = frameSchema.safeParse(JSON.parse(Buffer.from(data).toString()));
    return read.success ? read.data : null;
  } catch {
    // Not JSON: whoever published it is told by nobody; the caller logs it.
    return null;
  }
}
