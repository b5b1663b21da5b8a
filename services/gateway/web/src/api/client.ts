/**
 * Requests to the public API of the gateway that served the page. Turns refusals into errors that can be read to a person. Knows no
 * credential: the browser sends the session's cookie by itself, and what changes something carries the session's CSRF token.
 */

/** What the API says when it refuses (RFC 9457), as far as it is shown. */
interface Problem {
  detail?: string;
  error?: string;
  errors?: { path: string; message: string }[];
}

/** A refusal. `status` 0: there was no answer, the gateway is away or the network is. */
export class ApiError extends Error {
  readonly status: number;
  /** Which fields are wrong, by their path. */
  readonly fields: readonly { path: string; message: string }[];
  constructor(status: number, message: string, fields: ApiError["fields"] = []) {
    super(message);
    this.status = status;
    this.fields = fields;
  }
}

/** Longer than the gateway's own longest wait, a cancel's 30 s. */
const answerMs = 45_000;

let csrfToken: string | null = null;
/** Of the session that the page is in; null: there is none. */
export function setCsrfToken(token: string | null): void {
  csrfToken = token;
}

type Method = "GET" | "POST" | "PATCH" | "DELETE";

/** @throws ApiError. */
export async function request<T>(method: Method, path: string, body?: unknown): Promise<T> {
  const headers = new Headers({ accept: "application/json" });
  if (body !== undefined) headers.set("content-type", "application/json");
  if (csrfToken !== null && method !== "GET") headers.set("x-csrf-token", csrfToken);
  let response: Response;
  try {
    response = await fetch(`/api${path}`, {
      method,
      headers,
      signal: AbortSignal.timeout(answerMs),
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
  } catch (error) {
    const late = error instanceof DOMException && error.name === "TimeoutError";
    throw new ApiError(0, late ? "The gateway did not answer in time" : "The gateway is away");
  }
  const answer = await read(response);
  if (response.ok) return answer as T;
  throw refusal(response.status, answer as Problem | null);
}

async function read(response: Response): Promise<unknown> {
  try {
    return await response.json();
  } catch {
    return null; // a proxy's own page, or an answer that was cut off: its status says enough
  }
}

function refusal(status: number, problem: Problem | null): ApiError {
  const fields = problem?.errors ?? [];
  const said = problem?.detail ?? problem?.error ?? `The gateway answered with ${status}`;
  const named = fields.map(({ path, message }) => `${path || "body"} ${message}`).join("; ");
  return new ApiError(status, named === "" ? said : `${said}: ${named}`, fields);
}

/** What a person reads of any failure. */
export const reasonOf = (error: unknown): string =>
  error instanceof Error ? error.message : String(error);
