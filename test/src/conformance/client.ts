// Owns how the replay reaches a server: one HTTP request, one WebSocket. Keeps status and body as they come; knows no route.
import http from "node:http";
import { WebSocket } from "ws";

export type Row = Record<string, unknown>;

export interface Answer {
  readonly status: number;
  /** Parsed JSON; the text itself when it is none. */
  readonly body: unknown;
}
export interface CallOptions {
  headers?: Record<string, string>;
  /** `body` is a string that is sent as it is. */
  raw?: boolean;
}
export interface Client {
  /** Without `/api`. */
  readonly base: string;
  call(method: string, path: string, body?: unknown, options?: CallOptions): Promise<Answer>;
  close(): void;
}

/** 45 s: a server under the load of many scenarios is slow, not dead. */
const requestTimeoutMs = 45_000;

export function createClient(base: string): Client {
  const agent = new http.Agent({ keepAlive: true });
  return {
    base,
    call: (method, path, body, options = {}) =>
      new Promise((resolve, reject) => {
        const data =
          body === undefined ? "" : options.raw ? (body as string) : JSON.stringify(body);
        const request = http.request(
          base + path,
          {
            method,
            agent,
            signal: AbortSignal.timeout(requestTimeoutMs),
            headers: {
              "content-length": Buffer.byteLength(data),
              ...(body === undefined ? {} : { "content-type": "application/json" }),
              ...options.headers,
            },
          },
          (response) => {
            textOf(response).then(
              (text) => resolve({ status: response.statusCode ?? 0, body: parsed(text) }),
              reject,
            );
          },
        );
        request.on("error", reject);
        request.end(data);
      }),
    close: () => agent.destroy(),
  };
}

async function textOf(response: http.IncomingMessage): Promise<string> {
  const parts: Buffer[] = [];
  for await (const part of response) parts.push(part as Buffer);
  return Buffer.concat(parts).toString();
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

export interface Frame {
  type: string;
  payload: Row;
}
/** What came of asking for a socket: open, or refused before the upgrade. */
export interface SocketAnswer {
  readonly ok: boolean;
  readonly status?: number;
  readonly body?: string;
  readonly error?: string;
  close(): void;
}

/** Follows a company's events; every frame goes to `onFrame`. Never rejects. */
export function openEvents(
  base: string,
  companyId: string,
  onFrame: (frame: Frame) => void,
  options: { headers?: Record<string, string>; query?: string } = {},
): Promise<SocketAnswer> {
  const path = `/api/companies/${companyId}/events/ws${options.query ?? ""}`;
  const socket = new WebSocket(base.replace("http", "ws") + path, {
    headers: options.headers ?? {},
  });
  socket.on("message", (data: Buffer) => onFrame(JSON.parse(data.toString()) as Frame));
  return new Promise((resolve) => {
    const close = (): void => socket.terminate();
    socket.on("open", () => resolve({ ok: true, close }));
    socket.on("unexpected-response", (_request, response) => {
      void textOf(response).then(
        (body) => resolve({ ok: false, status: response.statusCode ?? 0, body, close }),
        (error: Error) => resolve({ ok: false, error: error.message, close }),
      );
    });
    socket.on("error", (error) => resolve({ ok: false, error: error.message, close }));
  });
}
