/** A run's log as Server-Sent Events: from the beginning or from where a reader was, until the run is over. */
import { PassThrough } from "node:stream";
import type { Logger } from "@reveille/shared/runtime/log";
import { z } from "zod";
import { EventStream, textAnswer } from "../answer.js";
import type { Context } from "../context.js";
import { badField } from "../errors.js";
import { logPlaceSchema } from "../log-follower.js";
import type { LogFrame } from "../log-follower.js";
import { findRunHead, runParams } from "../lookup.js";
import { ownRoute } from "../own-route.js";
import type { AnyRoute } from "../route.js";

const events = textAnswer(
  "text/event-stream",
  "`event: log` with `data: {attempt, ts, stream, chunk}` for each line, `event: end` with the run's end; " +
    "`id` is what `Last-Event-ID` goes on from",
);
/** Proxies close what says nothing for a minute; a credential that was revoked ends the stream so late at most. */
const keepAliveMs = 15_000;
/** How long a client waits before it comes back. */
const retryMs = 1_000;

export function logStreamRoutes({ db, follower, streams, logger }: Context): AnyRoute[] {
  return [
    ownRoute({
      method: "GET",
      path: "/api/heartbeat-runs/:runId/log/stream",
      summary:
        "The log as it is written, as Server-Sent Events; goes on behind Last-Event-ID or `after`",
      params: runParams,
      query: z.object({ after: logPlaceSchema.optional() }),
      responses: { 200: events },
      handle: async ({ params, query, actor, header, stillAllowed }) => {
        const { companyId, id } = await findRunHead(db, actor, params.runId);
        const after = lastEvent(header("last-event-id")) ?? query.after ?? null;
        const stream = streams.open();
        const frames = follower.follow({ companyId, id }, after, stream.signal);
        return new EventStream(serve(frames, { stream, stillAllowed, logger }));
      },
    }),
  ];
}

/** @throws HttpError 400. */
function lastEvent(header: string | undefined) {
  if (!header) return null;
  const read = logPlaceSchema.safeParse(header);
  if (!read.success) throw badField(["Last-Event-ID"], read.error.issues[0]!.message);
  return read.data;
}

interface Serving {
  stream: AbortController;
  stillAllowed: () => Promise<boolean>;
  logger: Logger;
}

/** Frames as a stream of bytes that waits for its reader and ends when the reader goes away. */
function serve(frames: AsyncIterable<LogFrame>, { stream, stillAllowed, logger }: Serving) {
  const out = new PassThrough();
  const alive = setInterval(() => {
    if (out.writableLength === 0) out.write(":\n\n");
    void stillAllowed().then((allowed) => allowed || stream.abort());
  }, keepAliveMs);
  out.on("close", () => {
    clearInterval(alive);
    stream.abort();
  });
  const pump = async (): Promise<void> => {
    out.write(`retry: ${retryMs}\n\n`);
    for await (const { event, id, data } of frames) {
      const text = `id: ${id}\nevent: ${event}\ndata: ${JSON.stringify(data)}\n\n`;
      if (!out.write(text)) await drained(out);
      if (out.destroyed) return;
    }
  };
  pump().then(
    () => out.end(),
    (error: unknown) => {
      logger.warn({ err: error }, "a log stream broke");
      // Without its `end` a reader comes back and goes on where it was.
      out.end();
    },
  );
  return out;
}

const drained = (out: PassThrough): Promise<void> =>
  new Promise((resolve) => {
    const done = (): void => {
      out.off("drain", done).off("close", done);
      resolve();
    };
    out.on("drain", done).on("close", done);
  });
