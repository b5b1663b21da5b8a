/**
 * What one route is: method, path, schemas, handler. From this table come validation, the HTTP
 * server's routes and the OpenAPI document, so that they cannot differ.
 */
import type { z } from "zod";
import type { TextAnswer } from "./answer.js";
import type { Actor } from "./auth.js";

type Schema = z.ZodType;
type Parsed<S> = S extends Schema ? z.output<S> : undefined;

export interface Call<P, Q, B> {
  params: Parsed<P>;
  query: Parsed<Q>;
  body: Parsed<B>;
  actor: Actor;
  /**
   * The run that the caller works in: by its run token, else as it says itself (`X-Paperclip-Run-Id`,
   * `X-Reveille-Run-Id`). Tags activity, grants nothing.
   */
  runId: string | null;
  /** One header of the request, by its name in lower case. */
  header: (name: string) => string | undefined;
  /** For answers that take long: false when the credential is none any more. */
  stillAllowed: () => Promise<boolean>;
  session: SessionAccess;
  /** Sets another status than 200. */
  status: (code: number) => void;
}

/** The session of the browser that asks, if it has one. Without logins there are none. */
export interface SessionAccess {
  /** From its cookie, not looked at yet. */
  token: string | undefined;
  /** Where the request comes from. */
  address: string;
  /** Gives it a session with this token; null: takes it away. */
  set: (token: string | null) => void;
}

export interface Route<P = unknown, Q = unknown, B = unknown> {
  method: "GET" | "POST" | "PATCH" | "DELETE";
  /** With `:names`, as the HTTP server writes them. */
  path: string;
  /** One line for the OpenAPI document. */
  summary: string;
  /** The family that it belongs to; the route table fills it in. */
  tag?: string;
  params?: P;
  query?: Q;
  body?: B;
  /**
   * What a success answers with, by status: the JSON, dates as text. Refusals are the same everywhere and
   * need no word here. Rows come from `rowSchema`.
   */
  responses: Readonly<Partial<Record<200 | 201 | 202, Schema | TextAnswer>>>;
  /** Agents get 403. */
  boardOnly?: boolean;
  /** Only for a board of all companies: what it shows or changes belongs to no company. */
  operatorOnly?: boolean;
  /** Needs no credential in any mode: it tells nothing of anybody. */
  open?: boolean;
  handle: (call: Call<P, Q, B>) => Promise<unknown>;
}
export type AnyRoute = Route<Schema | undefined, Schema | undefined, Schema | undefined>;

/** Keeps the types of one route's schemas together with its handler, and then forgets them. */
export function route<
  P extends Schema | undefined = undefined,
  Q extends Schema | undefined = undefined,
  B extends Schema | undefined = undefined,
>(definition: Route<P, Q, B>): AnyRoute {
  return definition as unknown as AnyRoute;
}
