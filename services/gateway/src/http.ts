/**
 * The HTTP server over the route table: who calls, what they sent, what they get. One place for
 * validation, refusals and errors; no route knows the framework.
 */
import { STATUS_CODES } from "node:http";
import type { Socket } from "node:net";
import { fastify } from "fastify";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { decodePayload, payloadBytesMax } from "@reveille/shared/protocol/codec";
import { headers } from "@reveille/shared/protocol/headers";
import { isUuid } from "@reveille/shared/protocol/ids";
import type { Logger } from "@reveille/shared/runtime/log";
import type { Metrics } from "@reveille/shared/runtime/metrics";
import { readTraceparent } from "@reveille/shared/runtime/tracing";
import type { Tracing } from "@reveille/shared/runtime/tracing";
import { EventStream, PlainText } from "./answer.js";
import { isAllowed, requireBoard, requireOperator } from "./auth.js";
import type { Actor, Authenticate, Credential } from "./auth.js";
import type { DeploymentMode } from "./config.js";
import type { ConsoleFiles } from "./console-files.js";
import { inTrace } from "./current-trace.js";
import { forbidden, HttpError, problemOf, toHttpError, validationError } from "./errors.js";
import { refuseOrigin } from "./origin.js";
import type { AnyRoute, SessionAccess } from "./route.js";
import { csrfHeader, refuseForgery, sessionCookie, sessionTokenOf } from "./session-cookie.js";

export interface HttpOptions {
  routes: readonly AnyRoute[];
  authenticate: Authenticate;
  mode: DeploymentMode;
  /** What is shown where no route is. */
  console: ConsoleFiles;
  /** Compare each answer with what its route declares; what differs becomes a 500. For tests. */
  checkAnswers: boolean;
  logger: Logger;
  metrics: Metrics;
  tracing: Tracing;
}

const eventStreamType = "text/event-stream";

/** Builds the server; it does not listen yet. */
export function createHttp(options: HttpOptions): FastifyInstance {
  const { logger, metrics, mode } = options;
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
    clientErrorHandler: refuseBytes,
  });
  readJson(app);
  app.addHook("onRequest", async (request) => {
    // A credential is shown on purpose and never sent by a browser on its own: with logins no page can borrow one.
    const refused = mode === "local_trusted" ? refuseOrigin(request.headers) : null;
    if (refused) throw forbidden(refused);
    // In a path it is no id and refused by name; in a query it would be text that nothing can store.
    if (/\?.*%00/.test(request.url)) throw new HttpError(400, "The query contains a NUL character");
  });
  app.addHook("onResponse", async (request, reply) => {
    metrics.count("reveille_http_requests_total", {
      method: request.method,
      status: String(reply.statusCode),
    });
    // A stream lasts for as long as its reader likes.
    if (reply.getHeader("content-type") !== eventStreamType)
      metrics.observe("reveille_http_request_seconds", reply.elapsedTime / 1_000);
  });
  app.setErrorHandler((error, _request, reply) => send(reply, error, logger));
  const methodsOf = createMethodTable(options.routes);
  app.setNotFoundHandler((request, reply) => {
    const { pathname } = new URL(request.url, "http://localhost");
    if (showConsole(options.console, request, reply, pathname)) return reply;
    const allowed = methodsOf(pathname);
    if (allowed.length === 0) return send(reply, new HttpError(404, "Not found"), logger);
    const why = `${request.method} is not possible here: ${allowed.join(", ")}`;
    return send(reply.header("allow", allowed.join(", ")), new HttpError(405, why), logger);
  });
  for (const route of options.routes) register(app, route, options);
  return app;
}

/** Answers with a file or page of the console, if the path has one. It tells nothing of anybody, so nobody has to log in for it. */
function showConsole(
  files: ConsoleFiles,
  { method, headers }: FastifyRequest,
  reply: FastifyReply,
  path: string,
): boolean {
  if (method !== "GET" && method !== "HEAD") return false;
  const found = files({
    path,
    accept: headers.accept,
    acceptEncoding: headers["accept-encoding"]?.toString(),
    ifNoneMatch: headers["if-none-match"],
  });
  if (!found) return false;
  void reply.code(found.status).headers(found.headers).send(found.body);
  return true;
}

/** Which methods a path knows; none: no route has it. */
function createMethodTable(routes: readonly AnyRoute[]): (path: string) => string[] {
  const table = routes.map(({ path, method }) => ({
    pattern: new RegExp(`^${path.replaceAll(".", "\\.").replace(/:\w+/g, "[^/]+")}$`),
    methods: method === "GET" ? ["GET", "HEAD"] : [method],
  }));
  return (path) => [
    ...new Set(table.flatMap(({ pattern, methods }) => (pattern.test(path) ? methods : []))),
  ];
}

/** What is no HTTP, or has headers beyond the parser's 16 KiB, never becomes a request. */
function refuseBytes(error: NodeJS.ErrnoException, socket: Socket): void {
  if (error.code === "ECONNRESET" || !socket.writable) return void socket.destroy();
  const tooLarge = error.code === "HPE_HEADER_OVERFLOW";
  const answer = tooLarge
    ? new HttpError(431, "The request's headers are larger than 16 KiB")
    : new HttpError(400, "This is not an HTTP request");
  const body = JSON.stringify(problemOf(answer));
  socket.end(
    `HTTP/1.1 ${answer.status} ${STATUS_CODES[answer.status] ?? "Refused"}\r\nConnection: close\r\n` +
      `Content-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  );
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

function register(app: FastifyInstance, route: AnyRoute, options: HttpOptions): void {
  app.route({
    method: route.method,
    url: route.path,
    handler: async (request, reply) => {
      const actor = await actorOf(request, route, options);
      const call = {
        params: parse(route.params, request.params),
        query: parse(route.query, request.query),
        // A missing body is an empty one: clients leave it out where nothing is required.
        body: parse(route.body, request.body ?? {}),
        actor,
        runId: runIdOf(request, actor),
        header: (name: string) => headerOf(request, name),
        stillAllowed: () => isAllowed(options.authenticate, credentialOf(request, options.mode)),
        session: sessionOf(request, reply, options.mode),
        status: (code: number) => void reply.code(code),
      };
      const answer = await inSpan(request, reply, route, options.tracing, () => route.handle(call));
      if (answer instanceof PlainText) return reply.type(answer.type).send(answer.text);
      if (answer instanceof EventStream)
        return (
          reply
            .type(eventStreamType)
            .header("cache-control", "no-store")
            // A connection that outlives its stream would keep a gateway from stopping.
            .header("connection", "close")
            .send(answer.events)
        );
      // Sent as text of our own making: null is an answer, too.
      const text = JSON.stringify(answer);
      if (options.checkAnswers) checkAnswer(route, reply.statusCode, text);
      return reply.type("application/json; charset=utf-8").send(text);
    },
  });
}

/**
 * Serves the call as a span of its caller's trace, or of one of its own. Answers to probes belong to none.
 * Without tracing a caller's trace is passed on all the same.
 */
async function inSpan(
  request: FastifyRequest,
  reply: FastifyReply,
  route: AnyRoute,
  tracing: Tracing,
  handle: () => unknown,
): Promise<unknown> {
  const parent = readTraceparent(headerOf(request, headers.traceparent));
  const untold = route.open || route.operatorOnly;
  const context = parent === null && untold ? null : tracing.child(parent);
  if (context === null || !tracing.on) return inTrace(context, handle);
  const startMs = performance.timeOrigin + performance.now();
  let failure: unknown;
  try {
    return await inTrace(context, handle);
  } catch (error) {
    failure = error;
    throw error;
  } finally {
    const status = failure === undefined ? reply.statusCode : toHttpError(failure).answer.status;
    tracing.record({
      name: `${route.method} ${route.path}`,
      context,
      parent,
      kind: "server",
      startMs,
      endMs: performance.timeOrigin + performance.now(),
      attributes: {
        "http.request.method": route.method,
        "http.route": route.path,
        "http.response.status_code": status,
      },
      error: status >= 500 ? String(failure) : null,
    });
  }
}

/** What routes that need no credential are called by; they look at nobody. */
const anybody: Actor = { type: "agent", id: "", companyId: "", run: null };

/** A browser shows its session by itself: only where somebody has to log in, and nothing else is shown on purpose. */
const credentialOf = ({ headers, ip }: FastifyRequest, mode: DeploymentMode): Credential => ({
  authorization: headers.authorization,
  token:
    mode === "authenticated" && headers.authorization === undefined
      ? sessionTokenOf(headers.cookie)
      : undefined,
  address: ip,
});

function sessionOf(
  request: FastifyRequest,
  reply: FastifyReply,
  mode: DeploymentMode,
): SessionAccess {
  const { token, address } = credentialOf(request, mode);
  // TLS ends before the gateway; what stands there says how the browser came.
  const secure = headerOf(request, "x-forwarded-proto") === "https";
  return {
    token,
    address,
    set: (next) => void reply.header("set-cookie", sessionCookie(next, secure)),
  };
}

/** @throws HttpError 401, 403. */
async function actorOf(
  request: FastifyRequest,
  route: AnyRoute,
  { authenticate, mode }: HttpOptions,
): Promise<Actor> {
  if (route.open) return anybody;
  const credential = credentialOf(request, mode);
  const actor = await authenticate(credential);
  if (credential.token !== undefined)
    refuseForgery(request.method, credential.token, headerOf(request, csrfHeader));
  if (route.boardOnly) requireBoard(actor);
  if (route.operatorOnly) requireOperator(actor);
  return actor;
}

/** @throws Error that says where the answer is not what the route declares. */
function checkAnswer(route: AnyRoute, status: number, text: string): void {
  const declared = route.responses[status as 200];
  if (!declared) throw new Error(`${route.method} ${route.path} declares no answer ${status}`);
  if ("mediaType" in declared) throw new Error(`${route.method} ${route.path} declares a text`);
  const read = declared.safeParse(JSON.parse(text));
  if (!read.success)
    throw new Error(
      `${route.method} ${route.path} ${status} is not what it declares: ${read.error.message}`,
    );
}

function parse(schema: AnyRoute["params"], value: unknown): undefined {
  if (!schema) return undefined;
  const read = schema.safeParse(value);
  if (!read.success) throw validationError(read.error.issues);
  return read.data as undefined;
}

const headerOf = (request: FastifyRequest, name: string): string | undefined => {
  const value = request.headers[name];
  return Array.isArray(value) ? value[0] : value;
};

/** A run's token says which run; without one the header is believed, and only tags. */
function runIdOf(request: FastifyRequest, actor: Actor): string | null {
  if (actor.type === "agent" && actor.run) return actor.run.id;
  const header = request.headers["x-paperclip-run-id"] ?? request.headers["x-reveille-run-id"];
  return isUuid(header) ? header : null;
}

function send(reply: FastifyReply, error: unknown, logger: Logger): FastifyReply {
  const { answer, hidden } = toHttpError(error);
  if (hidden) logger.error({ err: hidden, url: pathOf(reply.request) }, "a request failed");
  if (answer.retryAfterSec !== undefined) reply.header("retry-after", String(answer.retryAfterSec));
  if (answer.status === 401) reply.header("www-authenticate", 'Bearer realm="reveille"');
  // The same body by either name; who asks for a problem document by name gets it by name.
  const wanted = reply.request.headers.accept?.includes("application/problem+json");
  return reply
    .code(answer.status)
    .type(wanted ? "application/problem+json" : "application/json; charset=utf-8")
    .send(JSON.stringify(problemOf(answer)));
}

/** Without the query: there may be a token in it. */
const pathOf = (request: FastifyRequest): string => request.url.replace(/\?.*/s, "");
