/** A run's log in pages of NDJSON. */
import { z } from "zod";
import type { Context } from "../context.js";
import { HttpError, notFound } from "../errors.js";
import { findRunHead, runParams } from "../lookup.js";
import { clamped } from "../paging.js";
import type { AnyRoute } from "../route.js";
import { route } from "../route.js";

const logQuery = z.object({
  offset: clamped({ absent: 0, nonsense: 0, min: 0, max: Number.MAX_SAFE_INTEGER }),
  // 256,000 is Paperclip's page; 1 MiB bounds what one answer costs.
  limitBytes: clamped({ absent: 256_000, nonsense: 256_000, min: 1, max: 1_048_576 }),
});

const pageSchema = z.strictObject({
  runId: z.string(),
  store: z.string().nullable(),
  logRef: z.string(),
  content: z.string().describe("NDJSON: `{ts, stream, chunk}` a line"),
  nextOffset: z.int().optional().describe("Where the next page starts; absent at the end"),
});

export function runLogRoutes({ db, logs }: Context): AnyRoute[] {
  return [
    route({
      method: "GET",
      path: "/api/heartbeat-runs/:runId/log",
      summary: "A page of the log; the pages put together are the log, no character is cut",
      params: runParams,
      query: logQuery,
      responses: { 200: pageSchema },
      handle: async ({ params, query, actor }) => {
        const run = await findRunHead(db, actor, params.runId);
        if (!run.logRef) throw notFound("Run log");
        const page = await logs.page({
          companyId: run.companyId,
          runId: run.id,
          offset: query.offset,
          limitBytes: query.limitBytes,
          over: run.status !== "queued" && run.status !== "running",
        });
        // The stream keeps logs for days, the row remembers how long they were.
        if (page.content === "" && query.offset === 0 && run.logBytes)
          throw new HttpError(404, "Run log not found", {
            details: { reason: "no longer stored", logBytes: run.logBytes },
          });
        return { runId: run.id, store: run.logStore, logRef: run.logRef, ...page };
      },
    }),
  ];
}
