/**
 * The configuration of the adapter `http`: what is called, with what, and how it may be shown. Sends
 * nothing.
 */
import { validateHeaderName, validateHeaderValue } from "node:http";
import { z } from "zod";
import type { Json } from "../adapter.js";
import { hiddenValue, shownValue } from "../core/environment.js";

const headersMax = 64;
/** Of the connection, not of the request: they are ours to write. */
const ownHeaders = new Set(
  "connection content-length expect host keep-alive te trailer transfer-encoding upgrade".split(
    " ",
  ),
);
/** What a timer can hold (2^31 ms), a little less. */
const msMax = 2_147_000_000;

export const httpConfigSchema = z.looseObject({
  url: z.string("must be text").describe("http or https"),
  method: z
    .string("must be text")
    .transform((text) => text.toUpperCase())
    .pipe(z.enum(["POST", "PUT", "PATCH"], "must be POST, PUT or PATCH"))
    .nullish()
    .describe("Default: POST"),
  headers: z
    .record(z.string(), z.string("must be text"), "must be a map from names to texts")
    .nullish()
    .describe("Added to the request"),
  payloadTemplate: z
    .record(z.string(), z.unknown(), "must be an object")
    .nullish()
    .describe("Sent in the body, beside agentId, runId and context"),
  timeoutMs: z
    .number("must be a number of milliseconds")
    .min(0)
    .max(msMax)
    .nullish()
    .describe("For the answer; 0: the run's limit"),
  callback: z
    .boolean("must be true or false")
    .nullish()
    .describe("The body carries a token, and 202 keeps the run until the callee reports"),
  callbackTimeoutSec: z
    .number("must be a number of seconds")
    .min(0)
    .max(msMax / 1_000)
    .nullish()
    .describe("For the report after a 202; 0: the run's limit"),
});

export interface HttpConfig {
  url: URL;
  /** Without user, password, and what query parameters with telling names hold. */
  shownUrl: string;
  method: "POST" | "PUT" | "PATCH";
  headers: Record<string, string>;
  payloadTemplate: Json;
  /** 0: no limit of its own. */
  timeoutMs: number;
  callback: boolean;
  /** 0: no limit of its own. */
  callbackTimeoutSec: number;
}
export type ReadHttpConfig = { ok: true; config: HttpConfig } | { ok: false; message: string };

/** The message names the field. */
export function readHttpConfig(given: Readonly<Json>): ReadHttpConfig {
  const wrong = (field: string, what: string): ReadHttpConfig => ({
    ok: false,
    message: `adapterConfig.${field} ${what}`,
  });
  if (typeof given["url"] !== "string" || given["url"].trim() === "")
    return { ok: false, message: "HTTP adapter missing url" };
  const read = httpConfigSchema.safeParse(given);
  if (!read.success) {
    const [issue] = read.error.issues;
    return wrong(issue?.path.join(".") ?? "", issue?.message ?? "is wrong");
  }
  const { method, headers, payloadTemplate, timeoutMs, callback, callbackTimeoutSec } = read.data;
  const url = parseUrl(read.data.url);
  if (!url) return wrong("url", "must be an http or https URL");
  const badHeader = wrongHeader(headers ?? {});
  if (badHeader) return wrong("headers", badHeader);
  return {
    ok: true,
    config: {
      url,
      shownUrl: shownUrl(url),
      method: method ?? "POST",
      headers: headers ?? {},
      payloadTemplate: payloadTemplate ?? {},
      timeoutMs: timeoutMs ?? 0,
      callback: callback ?? false,
      callbackTimeoutSec: callbackTimeoutSec ?? 0,
    },
  };
}

function parseUrl(text: string): URL | null {
  const url = URL.canParse(text) ? new URL(text) : null;
  return url?.protocol === "http:" || url?.protocol === "https:" ? url : null;
}

function wrongHeader(headers: Readonly<Record<string, string>>): string | null {
  const entries = Object.entries(headers);
  if (entries.length > headersMax) return `must be at most ${headersMax}`;
  for (const [name, value] of entries) {
    const lower = name.toLowerCase();
    if (ownHeaders.has(lower) || lower.startsWith("proxy-"))
      return `must not hold ${lower}: the adapter writes it`;
    try {
      validateHeaderName(name);
      validateHeaderValue(name, value);
    } catch {
      // The error would repeat the value.
      return `must be names and values of HTTP: ${JSON.stringify(name.slice(0, 80))} is not`;
    }
  }
  return null;
}

/** A URL as events and errors show it. */
export function shownUrl(url: URL): string {
  const shown = new URL(url);
  shown.username = "";
  shown.password = "";
  shown.hash = "";
  for (const [name, value] of url.searchParams)
    shown.searchParams.set(name, shownValue(name, value));
  return shown.href;
}

/** Names stay, values go: what a header holds is nobody's business but the callee's. */
export const shownHeaders = (headers: Readonly<Record<string, string>>): Record<string, string> =>
  Object.fromEntries(Object.keys(headers).map((name) => [name, hiddenValue]));
