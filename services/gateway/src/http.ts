/**
 * The HTTP server over the route table: who calls, what they sent, what they get. One place for
 * validation, refusals and errors; no route knows the framework.
 */
import { fastify } from "fastify";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { decodePayload, payloadBytesMax } from "@reveille/shared/protocol/codec";
import { isUuid } from "@reveille/shared/protocol/ids";
import type { Logger } from "@reveille/shared/runtime/log";
import { requireBoard } from "./auth.js";
import type { Authenticate } from "./auth.js";
import { forbidden, HttpError, toHttpError, validationError } from "./errors.js";
import type { Metrics } from "./metrics.js";
import { refuseOrigin } from "./origin.js";
import type { AnyRoute } from "./route.js";

export interface HttpOptions {
  routes: readonly AnyRoute[];
  authenticate: Authenticate;
  logger: Logger;
  metrics: Metrics;
}

/** Builds the server; it does not listen yet. */
export function createHttp(options: HttpOptions): FastifyInstance {
  const { logger, metrics } = options;
  const app = fastify({
    logger: false,
    bodyLimit: payloadBytesMax,
    // Two UUIDs and a wake id of 128 characters, with room for what has to be refused by name.
    routerOptions: { maxParamLength: 300 },
    // Longer than any of our own waits (30 s for a cancel).
    requestTimeout: 60_000,
    keepAliveTimeout: 72_000,
    forceCloseConnections: "idle",
    rewriteUrl: (request) => decodeQuestionMark(request.url ?? "/"),
    frameworkErrors: (error, _request, reply) => {
      void send(reply, error, logger);
    },
  });
  readJson(app);
  app.addHook("onRequest", async (request) => {
    const refused = refuseOrigin(request.headers);
    if (refused) throw forbidden(refused);
    // In a path it is no id and refused by name; in a query it would be text that nothing can store.
    if (/\?.*%00/.test(request.url)) throw new HttpError(400, "The query contains a NUL character");
  });
  app.addHook("onResponse", async (request, reply) => {
    metrics.count("reveille_http_requests_total", {
      method: request.method,
      status: String(reply.statusCode),
    });
  });
  app.setErrorHandler((error, _request, reply) => send(reply, error, logger));
  app.setNotFoundHandler((_request, reply) => send(reply, new HttpError(404, "Not found"), logger));
  for (const route of options.routes) register(app, route, options.authenticate);
  return app;
}

/**
 * Paperclip's own CLI sends `/events%3FafterSeq=0`, because it takes path and query together for a
 * path. No path of ours has a question mark in it.
 */
function decodeQuestionMark(url: string): string {
  const query = url.indexOf("?");
  const path = query < 0 ? url : url.slice(0, query);
  return /%3f/i.test(path) ? url.replace(/%3f/i, "?") : url;
}

/** JSON in, with the same limits as on NATS: depth, prototype keys, NUL. An empty body is no body. */
function readJson(app: FastifyInstance): void {
  app.removeAllContentTypeParsers();
  app.addContentTypeParser(
    ["application/json", "application/problem+json"],
    { parseAs: "buffer" },
    (_request, body: Buffer, done) => {
      if (body.length === 0) return done(null, undefined);
      const decoded = decodePayload(body);
      if (decoded.ok && decoded.encoding === "json") return done(null, decoded.value);
      const why = decoded.ok ? "it is msgpack" : decoded.reason;
      done(new HttpError(400, `The request body is not JSON that we can take: ${why}`));
    },
  );
  // No body, but a content type: curl and browsers send forms so.
  app.addContentTypeParser("*", { parseAs: "buffer" }, (_request, body: Buffer, done) => {
    if (body.length === 0) done(null, undefined);
    else done(new HttpError(415, "The request body has to be application/json"));
  });
}

function register(app: FastifyInstance, route: AnyRoute, authenticate: Authenticate): void {
  app.route({
    method: route.method,
    url: route.path,
    handler: async (request, reply) => {
      const actor = await authenticate({ authorization: request.headers.authorization });
      if (route.boardOnly) requireBoard(actor);
      const call = {
        params: parse(route.params, request.params),
        query: parse(route.query, request.query),
        // A missing body is an empty one: clients leave it out where nothing is required.
        body: parse(route.body, request.body ?? {}),
        actor,
        runId: runIdOf(request),
        status: (code: number) => void reply.code(code),
      };
      const answer = await route.handle(call);
      if (answer instanceof PlainText) return reply.type(answer.type).send(answer.text);
      // Sent as text of our own making: null is an answer, too.
      return reply.type("application/json; charset=utf-8").send(JSON.stringify(answer));
    },
  });
}

/** An answer that is not JSON. */
export class PlainText {
  readonly text: string;
  readonly type: string;
  constructor(text: string, type = "text/plain; charset=utf-8") {
    this.text = text;
    this.type = type;
  }
}

function parse(schema: AnyRoute["params"], value: unknown): undefined {
  if (!schema) return undefined;
  const read = schema.safeParse(value);
  if (!read.success) throw validationError(read.error.issues);
  return read.data as undefined;
}

function runIdOf(request: FastifyRequest): string | null {
  const header = request.headers["x-paperclip-run-id"] ?? request.headers["x-reveille-run-id"];
  return isUuid(header) ? header : null;
}

function send(reply: FastifyReply, error: unknown, logger: Logger): FastifyReply {
  const { answer, hidden } = toHttpError(error);
  if (hidden) logger.error({ err: hidden, url: reply.request.url }, "a request failed");
  if (answer.retryAfterSec !== undefined) reply.header("retry-after", String(answer.retryAfterSec));
  const body = {
    error: answer.message,
    ...(answer.details === undefined ? {} : { details: answer.details }),
  };
  return reply
    .code(answer.status)
    .type("application/json; charset=utf-8")
    .send(JSON.stringify(body));
}
