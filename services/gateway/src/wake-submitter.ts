/**
 * Hands a wake to its agent's mailbox and waits for the verdict: by the gateway's inbox, after a
 * second without an answer from the table of verdicts, and at the deadline not at all, when the
 * wake is accepted and its verdict can be asked for later.
 */
import { RuntimeError } from "@reveille/shared/errors";
import type { NatsBus } from "@reveille/shared/nats/bus";
import type { StoredPublisher } from "@reveille/shared/nats/stored-publisher";
import type { Pool } from "@reveille/shared/postgres/pool";
import { decodePayload, encodePayload } from "@reveille/shared/protocol/codec";
import { headers } from "@reveille/shared/protocol/headers";
import { newId } from "@reveille/shared/protocol/ids";
import type { Subjects } from "@reveille/shared/protocol/subjects";
import { wakeOutcomes } from "@reveille/shared/protocol/wake";
import type { Verdict, WakeRequest } from "@reveille/shared/protocol/wake";
import type { Clock } from "@reveille/shared/runtime/clock";
import type { Logger } from "@reveille/shared/runtime/log";
import type { Tracing } from "@reveille/shared/runtime/tracing";
import { z } from "zod";
import { currentTrace, traced } from "./current-trace.js";
import { overloaded } from "./errors.js";
import type { MailboxGauge } from "./mailbox-gauge.js";
import type { UndecidedWakes } from "./undecided-wakes.js";

export interface WakeSubmitter {
  /**
   * Publishes and waits. `verdict` null: JetStream has the wake, it will be decided.
   * @throws HttpError 503 when the wake is not known to be stored.
   */
  submit(
    companyId: string,
    agentId: string,
    request: WakeRequest,
  ): Promise<{ wakeId: string; verdict: Verdict | null }>;
  /** The verdict as the table has it; null when there is none (yet). */
  stored(agentId: string, wakeId: string): Promise<Verdict | null>;
  readonly waiting: number;
  close(): void;
}
export interface WakeSubmitterOptions {
  bus: NatsBus;
  subjects: Subjects;
  publisher: StoredPublisher;
  pool: Pool;
  gauge: MailboxGauge;
  undecided: UndecidedWakes;
  clock: Clock;
  tracing: Tracing;
  logger: Logger;
  /** How long a caller waits at most. 10 s. */
  timeoutMs?: number;
}

/** After this long the table is asked: by then an answer that was lost would have come. */
const askTableMs = 1_000;
/** Wakes that wait for a verdict at once; each holds an HTTP request open. */
const waitingMax = 10_000;

const verdictSchema = z.object({
  outcome: z.enum(wakeOutcomes),
  wakeId: z.string(),
  requestId: z.string().optional(),
  run: z.record(z.string(), z.unknown()).optional(),
  reason: z.string().optional(),
  details: z.union([z.record(z.string(), z.unknown()), z.array(z.unknown())]).optional(),
});

export function createWakeSubmitter(options: WakeSubmitterOptions): WakeSubmitter {
  const { bus, subjects, pool, gauge, undecided, logger } = options;
  const timeoutMs = options.timeoutMs ?? 10_000;
  const inbox = bus.createInbox();
  const waiting = new Map<string, (verdict: Verdict) => void>();
  const table = verdictTable(pool, logger);

  const subscription = bus.subscribe(`${inbox}.*`, (message) => {
    const settle = waiting.get(message.subject.slice(inbox.length + 1));
    if (!settle) return;
    const decoded = decodePayload(message.data);
    const verdict = decoded.ok ? readVerdict(decoded.value) : null;
    // The table has the same verdict; a caller only waits a second longer.
    if (!verdict) logger.warn({ subject: message.subject }, "dropped a verdict that is none");
    else settle(verdict);
  });

  return {
    submit: async (companyId, agentId, request) => {
      if (!bus.connected) throw overloaded(503, "NATS does not answer", 2);
      if (waiting.size >= waitingMax) throw overloaded(503, "Too many wakes at once", 1);
      await gauge.admit();
      const wakeId = request.id ?? newId();
      const token = newId();
      const stop = new AbortController();
      const timer = setTimeout(() => stop.abort(), timeoutMs);
      try {
        const answer = new Promise<Verdict>((resolve) => waiting.set(token, resolve));
        const payload = encodePayload({ ...request, id: wakeId });
        const traceparent = options.tracing.child(currentTrace());
        undecided.sent({ companyId, agentId, wakeId, payload, traceparent });
        const ack = publish(options, subjects.mailbox(companyId, agentId, "request"), payload, {
          traceparent,
          replyTo: `${inbox}.${token}`,
          wakeId,
        });
        let acknowledged = false;
        const refused = ack.then(
          () => {
            acknowledged = true;
            return new Promise<never>(() => undefined);
          },
          (error: unknown) => {
            // Refused is refused. Without an answer it may be there, and its caller has heard nothing that binds us.
            undecided.settled(agentId, wakeId);
            return Promise.reject(mailboxError(error));
          },
        );
        const verdict = await Promise.race([
          answer,
          refused,
          table.poll(agentId, wakeId, stop.signal),
        ]);
        if (!verdict && !acknowledged) undecided.settled(agentId, wakeId);
        if (!verdict && !acknowledged)
          throw overloaded(503, `The mailbox did not confirm wake ${wakeId}`, 2);
        if (verdict) undecided.settled(agentId, wakeId);
        return { wakeId, verdict };
      } finally {
        clearTimeout(timer);
        stop.abort();
        waiting.delete(token);
      }
    },
    stored: table.stored,
    get waiting() {
      return waiting.size;
    },
    close: () => subscription.unsubscribe(),
  };
}

/** Stores a wake, as a span of the request that it comes with. */
async function publish(
  { publisher, tracing, clock }: WakeSubmitterOptions,
  subject: string,
  payload: Uint8Array,
  wake: { traceparent: string | null; replyTo: string; wakeId: string },
): Promise<void> {
  const { traceparent: context, replyTo, wakeId } = wake;
  const parent = currentTrace();
  const startMs = clock.wallMs();
  await publisher.publish(subject, payload, {
    headers: { [headers.replyTo]: replyTo, ...traced(context).headers },
  });
  if (context === null) return;
  tracing.record({
    name: "publish wake",
    context,
    parent,
    kind: "producer",
    startMs,
    endMs: clock.wallMs(),
    attributes: {
      "reveille.wake.id": wakeId,
      "messaging.system": "nats",
      "messaging.destination.name": subject,
    },
  });
}

/** The verdicts that Postgres has. */
function verdictTable(pool: Pool, logger: Logger) {
  const stored = async (agentId: string, wakeId: string): Promise<Verdict | null> => {
    const found = await pool.query<{ verdict: unknown }>(
      "select verdict from wake_verdicts where agent_id = $1 and wake_id = $2",
      [agentId, wakeId],
    );
    return found.rows[0] ? readVerdict(found.rows[0].verdict) : null;
  };

  /** Asks twice a second, after the first second, until told to stop; null when it never had the verdict. */
  const poll = async (
    agentId: string,
    wakeId: string,
    stop: AbortSignal,
  ): Promise<Verdict | null> => {
    await pause(askTableMs, stop);
    while (!stop.aborted) {
      const verdict = await stored(agentId, wakeId).catch((error: unknown) => {
        logger.warn({ err: error }, "cannot read verdicts");
        return null;
      });
      if (verdict) return verdict;
      await pause(askTableMs / 2, stop);
    }
    return null;
  };
  return { stored, poll };
}

function readVerdict(value: unknown): Verdict | null {
  const read = verdictSchema.safeParse(value);
  return read.success ? (read.data as Verdict) : null;
}

/** A refused message is over a limit of the stream: the mailbox is full. */
const mailboxError = (error: unknown): unknown =>
  error instanceof RuntimeError && error.code === "BrokerRefused"
    ? overloaded(503, "The mailbox is full", 5)
    : error;

/** Waits, or less long when the signal comes. */
const pause = (ms: number, stop: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (stop.aborted) return resolve();
    const end = (): void => {
      clearTimeout(timer);
      stop.removeEventListener("abort", end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    stop.addEventListener("abort", end);
  });
