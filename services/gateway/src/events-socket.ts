/**
 * `/api/companies/:companyId/events/ws`: a company's live events over WebSocket, with Paperclip's
 * frames. Everything is checked before the upgrade. A reader that is too slow is let go with a
 * reason; it reads the snapshot over HTTP and connects again.
 */
import { STATUS_CODES } from "node:http";
import type { IncomingMessage, Server } from "node:http";
import type { Duplex } from "node:stream";
import type { Pool } from "@reveille/shared/postgres/pool";
import { isUuid } from "@reveille/shared/protocol/ids";
import type { Logger } from "@reveille/shared/runtime/log";
import { WebSocketServer } from "ws";
import type { WebSocket } from "ws";
import { mayEnter } from "./auth.js";
import type { Authenticate } from "./auth.js";
import type { DeploymentMode } from "./config.js";
import { badField, forbidden, notFound, overloaded, problemOf, toHttpError } from "./errors.js";
import type { HttpError } from "./errors.js";
import type { LiveEvents } from "./live-events.js";
import type { Metrics } from "./metrics.js";
import { refuseOrigin } from "./origin.js";

export interface EventsSocketOptions {
  server: Server;
  pool: Pool;
  live: LiveEvents;
  authenticate: Authenticate;
  mode: DeploymentMode;
  logger: Logger;
  metrics: Metrics;
}

const pathPattern = /^\/api\/companies\/([^/]+)\/events\/ws$/;
/** Bytes that wait for one reader: a burst of 500 chunks of output; for all readers together 256 MiB. */
const bufferedBytesMax = 4 * 1024 * 1024;
const allBufferedBytesMax = 256 * 1024 * 1024;
/** Readers of one gateway; each costs about 30 KiB. */
const socketsMax = 2_000;
/** As Paperclip does it. A reader that missed one ping is gone. */
const pingMs = 30_000;
/** WebSocket's "try again later". */
const tryAgainLater = 1013;
const goingAway = 1001;

/** Answers upgrades on the server; returns what ends all of it. */
export function serveEvents(options: EventsSocketOptions): { close(): void } {
  const { server, pool, live, authenticate, mode, logger, metrics } = options;
  const sockets = new WebSocketServer({
    noServer: true,
    // Nobody has anything to tell us.
    maxPayload: 4_096,
    perMessageDeflate: false,
  });
  metrics.gauge("reveille_event_sockets", () => sockets.clients.size);

  const admit = async (request: IncomingMessage): Promise<string> => {
    const url = new URL(request.url ?? "/", "http://localhost");
    const companyId = pathPattern.exec(url.pathname)?.[1];
    if (companyId === undefined) throw notFound("Page");
    const refused = mode === "local_trusted" ? refuseOrigin(request.headers) : null;
    if (refused) throw forbidden(refused);
    if (sockets.clients.size >= socketsMax) throw overloaded(503, "Too many readers", 5);
    const actor = await authenticate({
      authorization: request.headers.authorization,
      token: url.searchParams.get("token") ?? undefined,
    });
    if (!isUuid(companyId)) throw badField(["companyId"], "must be a UUID");
    if (!mayEnter(actor, companyId)) throw forbidden("Forbidden");
    const found = await pool.query("select 1 from companies where id = $1", [companyId]);
    if (found.rowCount === 0) throw notFound("Company");
    return companyId;
  };

  const upgrade = (request: IncomingMessage, socket: Duplex, head: Buffer): void => {
    socket.on("error", () => socket.destroy());
    admit(request).then(
      (companyId) =>
        sockets.handleUpgrade(request, socket, head, (ws) =>
          forward(ws, { companyId, live, metrics, sockets }),
        ),
      (error: unknown) => {
        const { answer, hidden } = toHttpError(error);
        if (hidden) logger.error({ err: hidden }, "an upgrade failed");
        refuse(socket, answer);
      },
    );
  };
  server.on("upgrade", upgrade);
  const timer = setInterval(() => ping(sockets), pingMs);
  timer.unref();
  return {
    close: () => {
      clearInterval(timer);
      server.off("upgrade", upgrade);
      for (const client of sockets.clients) {
        client.close(goingAway, "the gateway stops");
        client.terminate();
      }
      sockets.close();
    },
  };
}

interface Forwarding {
  companyId: string;
  live: LiveEvents;
  metrics: Metrics;
  sockets: WebSocketServer;
}

function forward(ws: WebSocket, { companyId, live, metrics, sockets }: Forwarding): void {
  let id = 0;
  const stop = live.listen(companyId, (frame) => {
    if (ws.readyState !== ws.OPEN) return;
    const share = allBufferedBytesMax / sockets.clients.size;
    if (ws.bufferedAmount > Math.min(bufferedBytesMax, share)) {
      stop();
      metrics.count("reveille_event_sockets_dropped_total");
      ws.close(tryAgainLater, "too slow: events were dropped");
      // The closing frame waits behind the buffer: who does not read does not read that either.
      setTimeout(() => ws.terminate(), 5_000).unref();
      return;
    }
    id += 1;
    metrics.count("reveille_event_frames_total");
    ws.send(`{"id":${id},${frame.rest}`);
  });
  alive.add(ws);
  ws.on("pong", () => alive.add(ws));
  ws.on("close", stop);
  ws.on("error", () => ws.terminate());
}

/** Who answered since the last ping. */
const alive = new WeakSet<WebSocket>();

function ping(sockets: WebSocketServer): void {
  for (const client of sockets.clients) {
    if (!alive.delete(client)) client.terminate();
    else client.ping();
  }
}

function refuse(socket: Duplex, answer: HttpError): void {
  const body = JSON.stringify(problemOf(answer));
  socket.end(
    `HTTP/1.1 ${answer.status} ${STATUS_CODES[answer.status] ?? "Refused"}\r\n` +
      "Connection: close\r\nContent-Type: application/json\r\n" +
      `Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  );
}
