/** `/api/heartbeat-runs/:runId/log/ws`: a run's log as it is written, over WebSocket. The frames are those of the Server-Sent Events. */
import type { Database } from "@reveille/shared/postgres/pool";
import { isUuid } from "@reveille/shared/protocol/ids";
import { badField } from "./errors.js";
import { logPlaceSchema } from "./log-follower.js";
import type { LogFollower } from "./log-follower.js";
import { findRunHead } from "./lookup.js";
import type { OpenStreams } from "./open-streams.js";
import type { SocketRoute } from "./socket-server.js";

export interface LogSocketOptions {
  db: Database;
  follower: LogFollower;
  streams: OpenStreams;
}

export const logSocket = ({ db, follower, streams }: LogSocketOptions): SocketRoute => ({
  pattern: /^\/api\/heartbeat-runs\/([^/]+)\/log\/ws$/,
  admit: async ({ id: runId, query, actor }) => {
    if (!isUuid(runId)) throw badField(["runId"], "must be a UUID");
    const after = logPlaceSchema.nullable().safeParse(query.get("after"));
    if (!after.success) throw badField(["after"], after.error.issues[0]!.message);
    const run = await findRunHead(db, actor, runId);
    return async (sink) => {
      const stream = streams.open();
      sink.closed.addEventListener("abort", () => stream.abort());
      try {
        for await (const frame of follower.follow(run, after.data, stream.signal)) {
          if (!sink.send(JSON.stringify(frame))) return;
          // The log waits for its reader: it is stored, nothing is lost by that.
          await sink.drained();
        }
        sink.end();
      } finally {
        stream.abort();
      }
    };
  },
});
