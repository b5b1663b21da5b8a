// A model's service on loopback, as far as Claude Code and Codex need one: answers from a script, with faults on demand, and keeps what
// was asked. One address for each conversation. Owns no process and knows no test.
import { createServer } from "node:http";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as pause } from "node:timers/promises";
import { anthropicAnswer, openAiAnswer, type AnswerEvent } from "./model-answers.js";

export type Tokens = Partial<Record<"input" | "output" | "cached", number>>;

/** What the service does with one request of the agent. */
export interface Step {
  text?: string;
  thinking?: string;
  tool?: { name: string; input: object };
  usage?: Tokens;
  /** Between pieces of text. */
  pieceMs?: number;
  /** Half of the answer, then: nothing more, the connection reset, bytes that are no event, or a plain end. */
  broken?: "hang" | "reset" | "garbage" | "end";
  /** No answer but this. */
  refuse?: {
    status: number;
    headers?: Record<string, string>;
    type?: string;
    message?: string;
    more?: object;
  };
  /** How often it is taken; default once. */
  times?: number;
}
export interface ModelRequest {
  path: string;
  headers: IncomingMessage["headers"];
  body: unknown;
  /** The client went away before the answer was complete. */
  aborted: boolean;
}
export interface Conversation {
  /** Base address for a client of Anthropic's API; `/v1` below it for one of OpenAI's. */
  readonly url: string;
  /** What comes next, after what is still to come. */
  script(...steps: Step[]): void;
  /** Those that offer tools: the agent's own. */
  readonly requests: readonly ModelRequest[];
}
export interface ModelServer {
  conversation(name: string): Conversation;
  stop(): Promise<void>;
}

/** A program that asks without end is stopped by a refusal after so many; the longest test asks 12 times. */
const requestsMax = 60;

class Script implements Conversation {
  readonly requests: ModelRequest[] = [];
  readonly #steps: Step[] = [];
  readonly url: string;
  constructor(url: string) {
    this.url = url;
  }

  script(...steps: Step[]): void {
    this.#steps.push(...steps);
  }

  next(): Step {
    const [step] = this.#steps;
    if (!step) return { text: "the script has ended" };
    const left = (step.times ?? 1) - 1;
    if (left > 0) this.#steps[0] = { ...step, times: left };
    else this.#steps.shift();
    return step;
  }
}

/** Listens on a free port of loopback. */
export async function startModelServer(): Promise<ModelServer> {
  const scripts = new Map<string, Script>();
  const server = createServer((request, response) => {
    answer(scripts, request, response).catch((error: unknown) => response.destroy(error as Error));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    conversation: (name) => {
      const script = new Script(`http://127.0.0.1:${port}/s/${name}`);
      scripts.set(name, script);
      return script;
    },
    stop: async () => {
      server.closeAllConnections();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}

type Api = "anthropic" | "openai";
const apiOf = (path: string): Api | null =>
  path.endsWith("/v1/messages") ? "anthropic" : path.endsWith("/v1/responses") ? "openai" : null;

async function answer(
  scripts: ReadonlyMap<string, Script>,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const body = await jsonBody(request);
  const { pathname } = new URL(request.url ?? "/", "http://localhost");
  const script = scripts.get(/^\/s\/([^/]+)\//.exec(pathname)?.[1] ?? "");
  const api = apiOf(pathname);
  if (!script || !api || request.method !== "POST") {
    const counts = pathname.endsWith("/count_tokens");
    return sendJson(response, counts ? 200 : 404, counts ? { input_tokens: 10 } : { error: {} });
  }
  // What offers no tools is asked on the side: a title, a summary. It takes nothing of the script.
  const isMain = Array.isArray(body["tools"]) && body["tools"].length > 0;
  if (!isMain) return send(response, api, body, { text: "aside" });
  const seen: ModelRequest = { path: pathname, headers: request.headers, body, aborted: false };
  script.requests.push(seen);
  response.on("close", () => (seen.aborted = !response.writableFinished));
  if (script.requests.length > requestsMax)
    return sendJson(response, 400, errorBody(api, "invalid_request_error", "too many requests"));
  return send(response, api, body, script.next());
}

const errorBody = (api: Api, type: string, message: string, more: object = {}): object =>
  api === "anthropic"
    ? { type: "error", error: { type, message, ...more } }
    : { error: { type, message, code: null, param: null, ...more } };

async function send(
  response: ServerResponse,
  api: Api,
  body: Record<string, unknown>,
  step: Step,
): Promise<void> {
  if (step.refuse) {
    const { status, headers = {}, type = "api_error", message = "refused", more } = step.refuse;
    for (const [name, value] of Object.entries(headers)) response.setHeader(name, value);
    return sendJson(response, status, errorBody(api, type, message, more));
  }
  const model = typeof body["model"] === "string" ? body["model"] : "model";
  const { events, whole } = (api === "anthropic" ? anthropicAnswer : openAiAnswer)(step, model);
  if (body["stream"] !== true) {
    if (!step.broken) return sendJson(response, 200, whole);
    // Who asks again without a stream meets the same fault.
    if (step.broken === "hang") return;
    response.setHeader("content-type", "application/json");
    response.end('{"broken":,,');
    return;
  }
  response.writeHead(200, { "content-type": "text/event-stream" });
  await stream(response, step, events);
}

async function stream(
  response: ServerResponse,
  step: Step,
  events: readonly AnswerEvent[],
): Promise<void> {
  const half = Math.ceil(events.length / 2);
  for (const [index, { type, data, isPiece }] of events.entries()) {
    if (response.destroyed) return;
    if (isPiece && step.pieceMs) await pause(step.pieceMs);
    if (index === half && step.broken) {
      if (step.broken === "hang") return;
      if (step.broken === "reset") return void response.destroy();
      if (step.broken === "garbage") response.write("<html>a proxy speaks</html>\n\n");
      break;
    }
    response.write(`event: ${type}\ndata: ${JSON.stringify(data)}\n\n`);
  }
  response.end();
}

function sendJson(response: ServerResponse, status: number, value: object): void {
  response.writeHead(status, { "content-type": "application/json" });
  response.end(JSON.stringify(value));
}

async function jsonBody(request: IncomingMessage): Promise<Record<string, unknown>> {
  const parts: Buffer[] = [];
  for await (const part of request) parts.push(part as Buffer);
  const text = Buffer.concat(parts).toString();
  return text.startsWith("{") ? (JSON.parse(text) as Record<string, unknown>) : {};
}
