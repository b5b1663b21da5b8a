/**
 * Reading a run's log: what is stored in the LOGS stream, what comes live on the run's subjects, and
 * both put together without a seam. Creates consumers only in the form that carries the filter in
 * the subject, which is all that a follower's credentials allow, and deletes them.
 *
 * Following: subscribe live, read what is stored, go on live. A hole (a dropped message, a full
 * queue, a reconnect) is closed by reading the store again from the last stored sequence seen.
 */
import { AckPolicy, DeliverPolicy, JetStreamApiError } from "@nats-io/jetstream";
import type { JsMsg } from "@nats-io/jetstream";
import { brokerUnavailable } from "../errors.js";
import { headers } from "../protocol/headers.js";
import { newId } from "../protocol/ids.js";
import { createLogOrder, parseLogEnd } from "../protocol/log-order.js";
import type { LogChunk } from "../protocol/log-order.js";
import { logStreamNames } from "../protocol/subjects.js";
import type { LogStreamName, Subjects } from "../protocol/subjects.js";
import { topologyNames } from "../protocol/topology.js";
import type { NatsBus } from "./bus.js";

/** Whose log. */
export interface LogSource {
  bus: NatsBus;
  subjects: Subjects;
  companyId: string;
  runId: string;
}
export interface StoredLogOptions {
  /** First stored sequence wanted, 1 by default. */
  fromSequence?: number;
  /** Messages asked for ahead: 128 keeps the pipe full, a page of a log needs a few. */
  prefetchMax?: number;
}

/** JetStream's codes for "stream not found" and "consumer not found". */
const streamNotFound = 10059;
/** Tries of one read without any progress; each waits for the server up to a pull's expiry. */
const attemptsMax = 5;

/** What is stored now, in the order of the store, repeats included. Ends where the store ends. */
export async function* readStoredLog(
  source: LogSource,
  options: StoredLogOptions = {},
): AsyncGenerator<LogChunk> {
  let from = Math.max(1, options.fromSequence ?? 1);
  for (let attempt = 1; ; attempt += 1) {
    try {
      for await (const chunk of readOnce(source, from, options.prefetchMax ?? 128)) {
        from = (chunk.storedSeq ?? from) + 1;
        attempt = 1;
        yield chunk;
      }
      return;
    } catch (error) {
      // No stream yet, or none any more: then there is no log, which is no error of the reader.
      if (error instanceof JetStreamApiError && error.code === streamNotFound) return;
      if (attempt >= attemptsMax)
        throw brokerUnavailable(`log of ${source.runId}: ${(error as Error).message}`, error);
    }
  }
}

async function* readOnce(
  { bus, subjects, companyId, runId }: LogSource,
  from: number,
  prefetchMax: number,
): AsyncGenerator<LogChunk> {
  const stream = topologyNames(subjects.prefix).logs;
  const info = await bus.jsm.consumers.add(stream, {
    // A name of our own makes the client put name and filter into the subject of the request.
    name: `log_${newId()}`,
    ack_policy: AckPolicy.None,
    deliver_policy: DeliverPolicy.StartSequence,
    opt_start_seq: from,
    filter_subject: subjects.runLog(companyId, runId),
    mem_storage: true,
    num_replicas: 1,
    // 30 s: what a killed reader leaves behind; a slow one keeps it alive with its pulls.
    inactive_threshold: 30_000_000_000,
  });
  try {
    if (info.num_pending === 0) return;
    const messages = await bus.js.consumers.getConsumerFromInfo(info).consume({
      max_messages: prefetchMax,
      expires: 10_000,
      idle_heartbeat: 5_000,
      abort_on_missing_resource: true,
    });
    let expected = 1;
    try {
      for await (const message of messages) {
        if (message.info.deliverySequence !== expected)
          throw new Error(`delivery ${message.info.deliverySequence} after ${expected - 1}`);
        expected += 1;
        const chunk = readChunk(message.subject, message.data, (name) => header(message, name));
        if (chunk) yield { ...chunk, storedSeq: message.info.streamSequence };
        if (message.info.pending === 0) return;
      }
      throw new Error("the consumer ended early");
    } finally {
      messages.stop();
    }
  } finally {
    // An unused consumer goes by itself after a while: deleting it is a courtesy that may fail.
    await bus.jsm.consumers.delete(stream, info.name).catch(() => false);
  }
}

const header = (message: JsMsg, name: string): string | undefined =>
  message.headers?.get(name) || undefined;

/** A log message in our own terms; null when somebody else wrote it. */
function readChunk(
  subject: string,
  bytes: Uint8Array,
  read: (name: string) => string | undefined,
): LogChunk | null {
  const stream = subject.slice(subject.lastIndexOf(".") + 1) as LogStreamName;
  const end = parseLogEnd(read(headers.logEnd));
  const attempt = Number(read(headers.logAttempt));
  const seq = Number(read(headers.logSequence) ?? end?.chunks);
  if (!logStreamNames.includes(stream)) return null;
  if (!Number.isSafeInteger(attempt) || attempt < 1 || !Number.isSafeInteger(seq) || seq < 0)
    return null;
  const offset = Number(read(headers.logOffset) ?? 0);
  const time = read(headers.logTime) ?? "";
  const chunk = { attempt, seq, stream, offset, time, bytes };
  return end ? { ...chunk, end } : chunk;
}

/** The stored log in order, without repeats. A chunk after a hole says how many are missing. */
export async function* replayLog(
  source: LogSource,
  options: StoredLogOptions = {},
): AsyncGenerator<LogChunk> {
  const order = createLogOrder();
  for await (const chunk of readStoredLog(source, options)) yield* order.accept(chunk);
  yield* order.flush();
}

export interface FollowLogOptions {
  /**
   * Resolves when the run is known to be over: the rest of the stored log is told and the iterator
   * ends, closing message or not. Without it the iterator ends with the first closing message,
   * although a lost attempt may be followed by another.
   */
  over?: Promise<unknown>;
  /** Ends the iterator at once. */
  signal?: AbortSignal;
}

/** Live chunks that nobody took yet, 8 MiB or 8,192; beyond that they are dropped and read from the store. */
const liveBytesMax = 8 * 1024 * 1024;
const liveChunksMax = 8_192;
/** How long a hole may stay open before the store is asked: a repeated publish takes less on a healthy server. */
const holeMs = 300;
const holeMsMax = 5_000;

/** The log of a run as it is written, from its beginning, in order, each chunk once. */
export async function* followLog(
  source: LogSource,
  options: FollowLogOptions = {},
): AsyncGenerator<LogChunk> {
  const { bus } = source;
  const live = openLive(source, options);
  const order = createLogOrder();
  let storedSeq = 0;
  let holeWaitMs = holeMs;
  let holeSince = 0;
  try {
    // The server has the subscription before the store is read: nothing falls between the two.
    await bus.flush();
    live.stale = true;
    for (;;) {
      const last = live.over;
      if (live.stale || last) {
        live.stale = false;
        for await (const chunk of readStoredLog(source, { fromSequence: storedSeq + 1 })) {
          storedSeq = chunk.storedSeq ?? storedSeq;
          yield* tell(order.accept(chunk));
          if (live.aborted || live.closed) return;
        }
        if (last) return yield* order.flush();
      }
      for (let chunk = live.take(); chunk; chunk = live.take()) {
        yield* tell(order.accept(chunk));
        if (live.aborted || live.closed) return;
      }
      if (live.aborted) return;
      if (live.stale || live.over) continue;
      if (!order.holding) {
        holeSince = 0;
        holeWaitMs = holeMs;
        await live.changed();
      } else if (holeSince === 0) {
        holeSince = performance.now();
      } else if (performance.now() - holeSince > holeWaitMs) {
        live.stale = true;
        holeSince = 0;
        holeWaitMs = Math.min(holeWaitMs * 2, holeMsMax);
      } else await live.changed(holeWaitMs);
    }
  } finally {
    live.close();
  }

  function* tell(chunks: LogChunk[]): Generator<LogChunk> {
    for (const chunk of chunks) {
      yield chunk;
      if (chunk.end && !options.over) live.closed = true;
    }
  }
}

/** The live side: a bounded queue, and everything that says "look at the store again". */
function openLive(source: LogSource, options: FollowLogOptions) {
  const { bus, subjects, companyId, runId } = source;
  let queue: LogChunk[] = [];
  let queuedBytes = 0;
  let notify: () => void = () => undefined;
  const state = {
    stale: false,
    over: false,
    aborted: options.signal?.aborted ?? false,
    closed: false,
    take: (): LogChunk | undefined => {
      const chunk = queue.shift();
      if (chunk) queuedBytes -= chunk.bytes.length;
      return chunk;
    },
    changed: (timeoutMs?: number): Promise<void> =>
      new Promise((resolve) => {
        if (queue.length > 0 || state.stale || state.over || state.aborted) return resolve();
        const timer = timeoutMs === undefined ? undefined : setTimeout(resolve, timeoutMs);
        notify = () => {
          clearTimeout(timer);
          resolve();
        };
      }),
    close: () => {
      subscription.unsubscribe();
      stopListening();
      options.signal?.removeEventListener("abort", abort);
    },
  };
  const abort = (): void => {
    state.aborted = true;
    notify();
  };
  options.signal?.addEventListener("abort", abort);
  const over = (): void => {
    state.over = true;
    notify();
  };
  options.over?.then(over, over);
  const stopListening = bus.onState((connection) => {
    if (connection === "closed") abort();
    if (connection !== "connected") return;
    state.stale = true;
    notify();
  });
  const subscription = bus.subscribe(
    subjects.runLog(companyId, runId),
    (message) => {
      const chunk = readChunk(message.subject, message.data, (name) => message.header(name));
      if (!chunk) return;
      if (queuedBytes + chunk.bytes.length > liveBytesMax || queue.length >= liveChunksMax) {
        queue = [];
        queuedBytes = 0;
        state.stale = true;
      } else {
        queue.push(chunk);
        queuedBytes += chunk.bytes.length;
      }
      notify();
    },
    { onDenied: abort },
  );
  return state;
}
