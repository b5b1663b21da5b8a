/**
 * `/api/heartbeat-runs/:runId/transcript/ws`: what a run's agent does, from now on, in the common vocabulary. Told, not kept: who comes
 * late reads the log.
 */
import type { BusMessage, NatsBus } from "@reveille/shared/nats/bus";
import type { Database, Pool } from "@reveille/shared/postgres/pool";
import { isUuid } from "@reveille/shared/protocol/ids";
import type { Subjects } from "@reveille/shared/protocol/subjects";
import { transcriptFrameSchema } from "@reveille/shared/protocol/transcript";
import type { TranscriptFrame } from "@reveille/shared/protocol/transcript";
import { badField } from "./errors.js";
import type { LiveEvents } from "./live-events.js";
import { findRunHead } from "./lookup.js";
import type { OpenStreams } from "./open-streams.js";
import { untilRunEnds } from "./run-end.js";
import type { SocketRoute, SocketSink } from "./socket-server.js";

export interface TranscriptSocketOptions {
  db: Database;
  pool: Pool;
  bus: NatsBus;
  subjects: Subjects;
  live: LiveEvents;
  streams: OpenStreams;
}

export const transcriptSocket = (options: TranscriptSocketOptions): SocketRoute => ({
  pattern: /^\/api\/heartbeat-runs\/([^/]+)\/transcript\/ws$/,
  admit: async ({ id: runId, actor }) => {
    if (!isUuid(runId)) throw badField(["runId"], "must be a UUID");
    const run = await findRunHead(options.db, actor, runId);
    return (sink) => serve(options, run, sink);
  },
});

async function serve(
  { bus, pool, subjects, live, streams }: TranscriptSocketOptions,
  run: { companyId: string; id: string },
  sink: SocketSink,
): Promise<void> {
  const stream = streams.open();
  const stop = (): void => stream.abort();
  sink.closed.addEventListener("abort", stop);
  const subscription = bus.subscribe(subjects.transcript(run.companyId, run.id), (message) => {
    const frame = readFrame(message, run.id);
    if (!frame) return;
    const { attempt, first, at, entries } = frame;
    const told = JSON.stringify({ event: "entries", data: { attempt, first, at, entries } });
    // Too slow for it: the reader has been let go.
    if (!sink.send(told)) stop();
  });
  try {
    const ending = untilRunEnds({ pool, live }, run, stream.signal);
    await live.settled();
    sink.send(JSON.stringify({ event: "listening" }));
    const end = await ending;
    if (stream.signal.aborted) return;
    // What was told before the end comes before it.
    await live.settled();
    if (end) sink.send(JSON.stringify({ event: "end", data: end }));
    sink.end();
  } finally {
    subscription.unsubscribe();
    stop();
  }
}

function readFrame(message: BusMessage, runId: string): TranscriptFrame | null {
  try {
    const read = transcriptFrameSchema.safeParse(JSON.parse(Buffer.from(message.data).toString()));
    return read.success && read.data.runId === runId ? read.data : null;
  } catch {
    // Not JSON: only a runner may publish there, and what is none of its frames is nothing to a reader.
    return null;
  }
}
