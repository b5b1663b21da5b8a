/**
 * WebSockets of the gateway: who may open one, how many there are, who is still there. Everything is
 * checked before the upgrade. A socket ends when its reader is gone or too slow, when its credential
 * is none any more, or when the gateway stops. Knows nothing of what is sent.
 */
import { STATUS_CODES } from "node:http";
import type { IncomingMessage, Server } from "node:http";
import type { Duplex } from "node:stream";
import type { Logger } from "@reveille/shared/runtime/log";
import type { Metrics } from "@reveille/shared/runtime/metrics";
import { WebSocketServer } from "ws";
import type { WebSocket } from "ws";
import { isAllowed } from "./auth.js";
import type { Actor, Authenticate, Credential } from "./auth.js";
import type { DeploymentMode } from "./config.js";
import { forbidden, notFound, overloaded, problemOf, toHttpError } from "./errors.js";
import type { HttpError } from "./errors.js";
import { refuseOrigin } from "./origin.js";
import { refuseForeignPage, sessionTokenOf } from "./session-cookie.js";

/** What is sent to one reader. */
export interface SocketSink {
  /** False when the reader was too slow and has been let go: nothing more is of use. */
  send(text: string): boolean;
  /** Resolves when what was sent has gone out, or the reader is gone. */
  drained(): Promise<void>;
  readonly closed: AbortSignal;
  /** Lets the reader go because it is too slow. */
  letGo(): void;
  /** Ends it because all was said. */
  end(): void;
}
/** One path under which sockets are opened. */
export interface SocketRoute {
  /** Its first group is the id in the path. */
  pattern: RegExp;
  /** Decides, and gives what then serves the reader. @throws HttpError. */
  admit(call: {
    id: string;
    query: URLSearchParams;
    actor: Actor;
  }): Promise<(sink: SocketSink) => Promise<void>>;
}
export interface SocketServerOptions {
  server: Server;
  routes: readonly SocketRoute[];
  authenticate: Authenticate;
  mode: DeploymentMode;
  logger: Logger;
  metrics: Metrics;
}

/** Bytes that wait for one reader: a burst of 500 chunks of output; for all readers together 256 MiB. */
const bufferedBytesMax = 4 * 1024 * 1024;
const allBufferedBytesMax = 256 * 1024 * 1024;
/** Readers of one gateway; each costs about 30 KiB. */
const socketsMax = 2_000;
/** As Paperclip does it. A reader that missed one ping is gone. */
const pingMs = 30_000;
/** How often a writer that waits looks whether its reader has taken what was sent. */
const drainPollMs = 20;
/** How long a reader that is let go may take to read why. */
const closeMs = 5_000;
/** WebSocket's codes: "going away", "policy violation", "internal error", "try again later". */
const closing = { done: 1000, away: 1001, refused: 1008, broken: 1011, later: 1013 } as const;

interface Reader {
  credential: Credential;
  /** It answered since the last ping. */
  alive: boolean;
}

/** Answers upgrades on the server; returns what ends all of it. */
export function serveSockets(options: SocketServerOptions): { close(): void } {
  const { server, routes, authenticate, mode, logger, metrics } = options;
  // Nobody has anything to tell us.
  const sockets = new WebSocketServer({
    noServer: true,
    maxPayload: 4_096,
    perMessageDeflate: false,
  });
  const readers = new Map<WebSocket, Reader>();
  metrics.read("reveille_event_sockets", () => readers.size);

  const admit = async (request: IncomingMessage) => {
    const url = new URL(request.url ?? "/", "http://localhost");
    const refused = mode === "local_trusted" ? refuseOrigin(request.headers) : null;
    if (refused) throw forbidden(refused);
    for (const route of routes) {
      const id = route.pattern.exec(url.pathname)?.[1];
      if (id === undefined) continue;
      if (sockets.clients.size >= socketsMax) throw overloaded(503, "Too many readers", 5);
      const credential = credentialOf(request, url, mode);
      const actor = await authenticate(credential);
      return { credential, serve: await route.admit({ id, query: url.searchParams, actor }) };
    }
    throw notFound("Page");
  };
  const upgrade = (request: IncomingMessage, socket: Duplex, head: Buffer): void => {
    socket.on("error", () => socket.destroy());
    admit(request).then(
      ({ credential, serve }) =>
        sockets.handleUpgrade(request, socket, head, (ws) => {
          readers.set(ws, { credential, alive: true });
          ws.on("close", () => readers.delete(ws));
          serve(sinkOf(ws, sockets, metrics)).catch((error: unknown) => {
            logger.warn({ err: error }, "a socket broke");
            ws.close(closing.broken, "try again");
          });
        }),
      (error: unknown) => {
        const { answer, hidden } = toHttpError(error);
        if (hidden) logger.error({ err: hidden }, "an upgrade failed");
        refuse(socket, answer);
      },
    );
  };
  server.on("upgrade", upgrade);
  const timer = setInterval(() => ping(readers, authenticate), pingMs);
  timer.unref();
  return {
    close: () => {
      clearInterval(timer);
      server.off("upgrade", upgrade);
      for (const client of sockets.clients) {
        client.close(closing.away, "the gateway stops");
        client.terminate();
      }
      sockets.close();
    },
  };
}

/** What is shown on purpose goes before the session that a browser sends by itself. @throws HttpError 403. */
function credentialOf(
  { headers, socket }: IncomingMessage,
  url: URL,
  mode: DeploymentMode,
): Credential {
  const { authorization } = headers;
  const address = socket.remoteAddress ?? "";
  const shown = url.searchParams.get("token") ?? undefined;
  if (authorization !== undefined || shown !== undefined || mode === "local_trusted")
    return { authorization, token: shown, address };
  const token = sessionTokenOf(headers.cookie);
  if (token !== undefined) refuseForeignPage(headers.origin, headers.host);
  return { token, address };
}

/** Ends what did not answer the last one, and what has lost its credential. */
function ping(readers: ReadonlyMap<WebSocket, Reader>, authenticate: Authenticate): void {
  for (const [ws, reader] of readers) {
    if (!reader.alive) {
      ws.terminate();
      continue;
    }
    reader.alive = false;
    ws.once("pong", () => {
      reader.alive = true;
    }).ping();
    void isAllowed(authenticate, reader.credential).then(
      (allowed) => allowed || ws.close(closing.refused, "the credential is none any more"),
    );
  }
}

function sinkOf(ws: WebSocket, sockets: WebSocketServer, metrics: Metrics): SocketSink {
  const closed = new AbortController();
  ws.on("close", () => closed.abort());
  ws.on("error", () => ws.terminate());
  const letGo = (): void => {
    metrics.count("reveille_event_sockets_dropped_total");
    ws.close(closing.later, "too slow: events were dropped");
    // The closing frame waits behind the buffer: who does not read does not read that either.
    setTimeout(() => ws.terminate(), closeMs).unref();
  };
  return {
    closed: closed.signal,
    letGo,
    send: (text) => {
      if (ws.readyState !== ws.OPEN) return false;
      const share = allBufferedBytesMax / sockets.clients.size;
      if (ws.bufferedAmount > Math.min(bufferedBytesMax, share)) {
        letGo();
        return false;
      }
      metrics.count("reveille_event_frames_total");
      ws.send(text);
      return true;
    },
    drained: async () => {
      while (ws.readyState === ws.OPEN && ws.bufferedAmount > 0)
        await new Promise((resolve) => setTimeout(resolve, drainPollMs));
    },
    end: () => ws.close(closing.done),
  };
}

function refuse(socket: Duplex, answer: HttpError): void {
  const body = JSON.stringify(problemOf(answer));
  socket.end(
    `HTTP/1.1 ${answer.status} ${STATUS_CODES[answer.status] ?? "Refused"}\r\n` +
      "Connection: close\r\nContent-Type: application/json\r\n" +
      `Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  );
}
