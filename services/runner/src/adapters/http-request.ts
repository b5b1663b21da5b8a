/**
 * One request to an address that was checked: what a name resolves to is judged before it is connected
 * to, and what is connected to is judged again. No redirect is followed, no proxy is used, nothing is
 * kept open, and of the answer no more is read than is asked for.
 */
import { lookup as resolve } from "node:dns";
import type { LookupAddress, LookupOptions } from "node:dns";
import http from "node:http";
import https from "node:https";
import { isIP } from "node:net";
import type { LookupFunction, Socket } from "node:net";
import { addressRefused } from "./address-rules.js";

export interface HttpRequest {
  url: URL;
  method: string;
  headers: Readonly<Record<string, string>>;
  body: Buffer;
  allowPrivate: boolean;
  signal: AbortSignal;
  /** Of the answer's body. */
  bytesMax: number;
  /** Connected: from here on the other side may act. */
  onConnected: () => void;
}
export interface HttpAnswer {
  status: number;
  headers: http.IncomingHttpHeaders;
  /** At most `bytesMax` bytes. */
  body: Buffer;
  /** There was more of it. */
  cut: boolean;
}
/** `refused`: its address is not allowed. `aborted`: the signal. `failed`: everything else; `code` is the system's. */
export type HttpOutcome =
  | { kind: "answered"; answer: HttpAnswer }
  | { kind: "aborted" }
  | { kind: "refused"; message: string }
  | { kind: "failed"; message: string; code: string; connected: boolean };

class AddressRefused extends Error {
  override readonly name = "AddressRefused";
}

/** Never rejects. */
export async function sendRequest(request: HttpRequest): Promise<HttpOutcome> {
  let connected = false;
  const onConnected = (): void => {
    connected = true;
    request.onConnected();
  };
  try {
    return { kind: "answered", answer: await exchange(request, onConnected) };
  } catch (error) {
    if (request.signal.aborted) return { kind: "aborted" };
    const reason = causeOf(error);
    if (reason instanceof AddressRefused) return { kind: "refused", message: reason.message };
    const code = (reason as NodeJS.ErrnoException).code ?? "";
    return { kind: "failed", message: reason.message, code, connected };
  }
}

/** Where several addresses were tried, the first failure stands for all. */
const causeOf = (error: unknown): Error =>
  error instanceof AggregateError && error.errors[0] instanceof Error
    ? error.errors[0]
    : (error as Error);

function exchange(request: HttpRequest, onConnected: () => void): Promise<HttpAnswer> {
  const { url, method, headers, body, allowPrivate, signal } = request;
  const host = url.hostname.replace(/^\[|\]$/g, "");
  return new Promise((answer, reject) => {
    // A literal address is never looked up.
    const refused = isIP(host) ? addressRefused(host, allowPrivate) : null;
    if (refused) return reject(new AddressRefused(refused));
    const secure = url.protocol === "https:";
    const sent = (secure ? https : http).request(url, {
      method,
      headers: { ...headers, "content-length": body.length },
      // An agent of its own has no proxy and keeps nothing open.
      agent: false,
      lookup: checkedLookup(allowPrivate),
      signal,
    });
    sent.on("socket", (socket) => {
      socket.once(secure ? "secureConnect" : "connect", () => {
        const wrong = addressRefused(remoteOf(socket), allowPrivate);
        if (wrong) sent.destroy(new AddressRefused(wrong));
        else onConnected();
      });
    });
    sent.on("error", reject);
    sent.on("response", (response) => {
      readBody(response, request.bytesMax).then(answer, reject);
    });
    sent.end(body);
  });
}

const remoteOf = (socket: Socket): string => socket.remoteAddress ?? "";

/** Resolves like the system does, and leaves out what must not be connected to. */
export function checkedLookup(allowPrivate: boolean): LookupFunction {
  return (host, options: LookupOptions, callback) => {
    resolve(host, { ...options, all: true }, (error, addresses: LookupAddress[]) => {
      if (error) return callback(error, "", 0);
      const allowed = addresses.filter(({ address }) => !addressRefused(address, allowPrivate));
      const [first] = allowed;
      if (!first) {
        const why = addressRefused(addresses[0]?.address ?? "", allowPrivate);
        return callback(new AddressRefused(`${host} is at ${why}`), "", 0);
      }
      if (options.all) return callback(null, allowed);
      callback(null, first.address, first.family);
    });
  };
}

function readBody(response: http.IncomingMessage, bytesMax: number): Promise<HttpAnswer> {
  return new Promise((answer, reject) => {
    const parts: Buffer[] = [];
    let bytes = 0;
    const done = (cut: boolean): void =>
      answer({
        status: response.statusCode ?? 0,
        headers: response.headers,
        body: Buffer.concat(parts),
        cut,
      });
    response.on("data", (part: Buffer) => {
      parts.push(part.subarray(0, bytesMax - bytes));
      bytes += part.length;
      if (bytes <= bytesMax) return;
      done(true);
      response.destroy();
    });
    response.on("end", () => done(false));
    response.on("error", reject);
    response.on("close", () => reject(new Error("the connection ended before the answer did")));
  });
}
