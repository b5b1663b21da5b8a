/**
 * The HTTP API as the command uses it: one bounded request each, answers as plain JSON, failures as
 * `CliFailure` with the exit code that fits. Knows no command.
 */
import { CliFailure, exitCodes, notFound, refused, unreachable, usageFailure } from "./failure.js";

export type Row = Record<string, unknown>;

export interface Api {
  readonly base: string;
  get(path: string): Promise<unknown>;
  /** A list; an answer that is none is an error. */
  list(path: string): Promise<Row[]>;
  post(path: string, body?: unknown): Promise<Row>;
  remove(path: string): Promise<Row>;
}

/** 30 s: longer than the gateway itself waits for a verdict before it answers 202. */
const timeoutMs = 30_000;

export function createApi(base: string): Api {
  const call = async (method: string, path: string, body?: unknown): Promise<unknown> => {
    const response = await send(base, method, path, body);
    const text = await response.text();
    const value = parse(text);
    if (response.ok) {
      if (value === undefined) throw notOurs(base, path);
      return value;
    }
    throw failureOf(response.status, value, `${method} ${path}`);
  };
  return {
    base,
    get: (path) => call("GET", path),
    list: async (path) => {
      const value = await call("GET", path);
      if (!Array.isArray(value)) throw notOurs(base, path);
      return value as Row[];
    },
    post: async (path, body) => (await call("POST", path, body ?? {})) as Row,
    remove: async (path) => (await call("DELETE", path)) as Row,
  };
}

async function send(base: string, method: string, path: string, body: unknown): Promise<Response> {
  const key = process.env["REVEILLE_API_KEY"];
  try {
    return await fetch(`${base}/api${path}`, {
      method,
      signal: AbortSignal.timeout(timeoutMs),
      headers: {
        ...(body === undefined ? {} : { "content-type": "application/json" }),
        ...(key ? { authorization: `Bearer ${key}` } : {}),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
  } catch (error) {
    throw unreachable(
      `no answer from the API at ${base} (${reasonOf(error)})`,
      "Is the system up? `npm start` starts it; --api or REVEILLE_API_URL says where it is.",
      error,
    );
  }
}

/** The reason of a failed fetch is on its cause: "fetch failed" alone helps nobody. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const cause = error.cause as { code?: string; message?: string } | undefined;
  return cause?.code ?? cause?.message ?? error.message;
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined; // an HTML page, or nothing
  }
}

const notOurs = (base: string, path: string): CliFailure =>
  unreachable(`${base}/api${path} did not answer as Reveille does`, "Is --api right?");

function failureOf(status: number, value: unknown, what: string): CliFailure {
  const body = (typeof value === "object" && value !== null ? value : {}) as Row;
  const text =
    typeof body["error"] === "string" ? body["error"] : `${what} was answered with ${status}`;
  const details = body["details"] === undefined ? "" : `: ${JSON.stringify(body["details"])}`;
  if (status === 404) return notFound(text + details);
  if (status === 400 || status === 413 || status === 422) return usageFailure(text + details);
  if (status === 401 || status === 403 || status === 409 || status === 429)
    return refused(text + details);
  if (status === 502 || status === 503 || status === 504) return unreachable(text + details);
  return new CliFailure(exitCodes.failed, text + details);
}
