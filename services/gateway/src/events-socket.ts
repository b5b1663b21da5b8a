/**
 * `/api/companies/:companyId/events/ws`: a company's live events over WebSocket, with Paperclip's
 * frames. They are told, not kept; who asks for it gets, before the first of them, a snapshot and the
 * run events that it missed. A reader that is too slow is let go with a reason and connects again.
 */
import type { Pool } from "@reveille/shared/postgres/pool";
import { isUuid } from "@reveille/shared/protocol/ids";
import { mayEnter } from "./auth.js";
import { badField, forbidden, notFound } from "./errors.js";
import { catchUp, readCatchUp } from "./event-catch-up.js";
import type { CatchUpQuery } from "./event-catch-up.js";
import type { LiveEvents } from "./live-events.js";
import type { SocketRoute, SocketSink } from "./socket-server.js";

/** Frames that came while the snapshot was read, characters: as much as may wait for one reader. */
const heldCharsMax = 4 * 1024 * 1024;

export const eventsSocket = ({ pool, live }: { pool: Pool; live: LiveEvents }): SocketRoute => ({
  pattern: /^\/api\/companies\/([^/]+)\/events\/ws$/,
  admit: async ({ id: companyId, query, actor }) => {
    if (!isUuid(companyId)) throw badField(["companyId"], "must be a UUID");
    if (!mayEnter(actor, companyId)) throw forbidden("Forbidden");
    const wanted = readCatchUp(query);
    const found = await pool.query("select 1 from companies where id = $1", [companyId]);
    if (found.rowCount === 0) throw notFound("Company");
    // Before the socket opens the server knows that somebody listens: from then on no frame is missed.
    const release = holdOpen(live, companyId);
    await live.settled();
    return (sink) => forward(sink, { companyId, pool, live, wanted }).finally(release);
  },
});

/** A socket that was admitted and never opened holds nothing for longer. */
const holdMs = 5_000;

/** Keeps the company's subscription until whoever was admitted listens; returns what ends that. */
function holdOpen(live: LiveEvents, companyId: string): () => void {
  const stop = live.listen(companyId, () => undefined);
  const timer = setTimeout(stop, holdMs);
  timer.unref();
  return () => {
    clearTimeout(timer);
    stop();
  };
}

interface Forwarding {
  companyId: string;
  pool: Pool;
  live: LiveEvents;
  wanted: CatchUpQuery | null;
}

async function forward(
  sink: SocketSink,
  { companyId, pool, live, wanted }: Forwarding,
): Promise<void> {
  let id = 0;
  const send = (rest: string): void => {
    id += 1;
    if (!sink.send(`{"id":${id},${rest}`)) stop();
  };
  let held: string[] | null = wanted ? [] : null;
  let heldChars = 0;
  // Listening comes first: what happens while the snapshot is read is held back, not missed.
  const stop = live.listen(companyId, ({ rest }) => {
    if (!held) return send(rest);
    held.push(rest);
    heldChars += rest.length;
    if (heldChars > heldCharsMax) sink.letGo();
  });
  sink.closed.addEventListener("abort", stop);
  if (!wanted) return;
  await live.settled();
  for (const frame of await catchUp(pool, companyId, wanted)) {
    send(JSON.stringify(frame).slice(1));
    await sink.drained();
  }
  const missed = held ?? [];
  held = null;
  for (const rest of missed) send(rest);
}
