/**
 * What goes wrong, as HTTP says it: one body that is both a problem document (RFC 9457) and Paperclip's
 * `{ error, details? }` with its texts. Operational errors are translated here, once; everything else
 * is a 500 without a word about its inside.
 */
import { STATUS_CODES } from "node:http";
import { RuntimeError } from "@reveille/shared/errors";
import { sqlFailure } from "@reveille/shared/postgres/pool";
import { z } from "zod";

/** An answer that is no success. `details` is shown to the caller. */
export class HttpError extends Error {
  readonly status: number;
  readonly details: unknown;
  readonly retryAfterSec: number | undefined;
  constructor(
    status: number,
    message: string,
    options: { details?: unknown; retryAfterSec?: number } = {},
  ) {
    super(message);
    this.status = status;
    this.details = options.details;
    this.retryAfterSec = options.retryAfterSec;
  }
}

/** 401; the header that goes with it says how to do better. */
export const unauthorized = (): HttpError => new HttpError(401, "Unauthorized");
export const notFound = (what: string): HttpError => new HttpError(404, `${what} not found`);
export const forbidden = (why: string): HttpError => new HttpError(403, why);
export const conflict = (why: string, details?: unknown): HttpError =>
  new HttpError(409, why, { details });
export const unprocessable = (why: string, details?: unknown): HttpError =>
  new HttpError(422, why, { details });
/** `retryAfterSec` goes into the header of that name. */
export const overloaded = (status: 429 | 503, why: string, retryAfterSec: number): HttpError =>
  new HttpError(status, why, { retryAfterSec });

/** The body of a refusal. */
export const problemSchema = z.strictObject({
  type: z.literal("about:blank"),
  title: z.string().describe("What the status means"),
  status: z.int().min(400).max(599),
  detail: z.string(),
  errors: z
    .array(z.strictObject({ path: z.string(), message: z.string() }))
    .optional()
    .describe("The fields that are wrong, as far as it was a matter of fields"),
  error: z.string().describe("As Paperclip's clients read it: equals `detail`"),
  details: z.unknown().optional(),
});
export type Problem = z.infer<typeof problemSchema>;

export function problemOf({ status, message, details }: HttpError): Problem {
  const errors = fieldErrors(details);
  return {
    type: "about:blank",
    title: STATUS_CODES[status] ?? "Refused",
    status,
    detail: message,
    ...(errors ? { errors } : {}),
    error: message,
    ...(details === undefined ? {} : { details }),
  };
}

/** What details say of fields; undefined when they are about something else. */
function fieldErrors(details: unknown): Problem["errors"] {
  if (!Array.isArray(details)) return undefined;
  const named = (details as { path?: unknown; message?: unknown }[]).filter(
    (each) => Array.isArray(each?.path) && typeof each.message === "string",
  ) as { path: (string | number)[]; message: string }[];
  return named.map(({ path, message }) => ({ path: path.join("."), message }));
}

/** 400 for one field. */
export const badField = (path: (string | number)[], message: string): HttpError =>
  new HttpError(400, "Validation error", { details: [{ code: "custom", path, message }] });

/** Fields that one answer names: a client mends these and sees the rest. */
const fieldsMax = 20;

/** 400 for what zod found; `options` repeats the values that an enumeration knows. */
export function validationError(
  issues: readonly z.core.$ZodIssue[],
  prefix: string[] = [],
): HttpError {
  const details = issues.slice(0, fieldsMax).map((issue) => ({
    code: issue.code,
    path: [
      ...prefix,
      ...issue.path.map((part) => (typeof part === "number" ? part : String(part))),
      // A key that nobody knows is the field that is wrong, not the object that it is in.
      ...(issue.code === "unrecognized_keys" ? issue.keys.slice(0, 1) : []),
    ],
    message: issue.message,
    ...("values" in issue ? { options: issue.values } : {}),
  }));
  return new HttpError(400, "Validation error", { details });
}

/** Any error as an answer. `hidden` is for the log of the gateway: the caller must not see it. */
export function toHttpError(error: unknown): { answer: HttpError; hidden?: unknown } {
  if (error instanceof HttpError) return { answer: error };
  if (error instanceof RuntimeError) {
    const away = error.code === "StoreUnavailable" ? "The database" : "NATS";
    return { answer: overloaded(503, `${away} does not answer`, 2), hidden: error };
  }
  const framework = frameworkError(error);
  if (framework) return { answer: framework };
  const failure = isSqlError(error) ? sqlFailure(error) : null;
  if (failure?.kind === "transient")
    return { answer: overloaded(503, "The database does not answer", 2), hidden: error };
  if (failure?.kind === "unique")
    return { answer: conflict("It exists already", { constraint: failure.constraint }) };
  // Class 22 is data that no column takes; whatever the schemas let through of it is the caller's.
  if (failure?.kind === "rejected" && failure.code.startsWith("22"))
    return { answer: new HttpError(400, "A value does not fit"), hidden: error };
  return { answer: new HttpError(500, "Internal server error"), hidden: error };
}

/** The HTTP layer's own refusals (body too large, media type, malformed URL): all of them are the caller's. */
function frameworkError(error: unknown): HttpError | null {
  const { statusCode, code, message } = error as {
    statusCode?: unknown;
    code?: unknown;
    message?: string;
  };
  if (typeof statusCode !== "number" || statusCode < 400 || statusCode > 499) return null;
  if (code === "FST_ERR_CTP_BODY_TOO_LARGE")
    return new HttpError(413, "The request body is larger than 512 KiB");
  // The framework repeats the URL in its texts, however long it is.
  return new HttpError(statusCode, (message ?? "Bad request").slice(0, 200));
}

/** Drizzle and the driver both end in an error with a SQLSTATE, or in one of the connection. */
function isSqlError(error: unknown): boolean {
  let at = error;
  while (at instanceof Error && at.cause instanceof Error) at = at.cause;
  return (
    at instanceof Error &&
    ("severity" in at ||
      "syscall" in at ||
      // The driver's own words for a session that is gone.
      /timeout|connection terminated|not queryable/i.test(at.message))
  );
}
