/**
 * The adapter `http`: wakes an agent that lives behind a URL. Its answer is the result; with `callback`
 * an answer 202 means that the agent goes on by itself and reports with the run's token.
 */
import { lookup } from "node:dns/promises";
import { isIP } from "node:net";
import type { Adapter, AdapterContext, AdapterResult, TestContext } from "../adapter.js";
import { defineAdapter } from "../adapter.js";
import { addressRefused } from "./address-rules.js";
import { failedResult } from "../core/outcome.js";
import { readReport } from "../core/reported-result.js";
import type { EnvironmentCheck } from "../adapter.js";
import { httpConfigSchema, readHttpConfig, shownHeaders } from "./http-config.js";
import type { HttpConfig } from "./http-config.js";
import { sendRequest } from "./http-request.js";
import type { HttpAnswer, HttpOutcome } from "./http-request.js";

/** Of an answer, in the log: a page of text; whoever has more to say writes it where it can be read. */
const answerBytesMax = 64 * 1024;
/** The mailbox takes 512 KiB, so no context is larger; a template may double it. */
const bodyBytesMax = 1024 * 1024;
/** Answers that say "later", not "no". */
const transientStatuses = new Set([408, 425, 429, 500, 502, 503, 504]);

export const httpAdapter = (allowPrivate: boolean): Adapter =>
  defineAdapter({
    type: "http",
    label: "HTTP",
    starts: "nothing",
    configSchema: httpConfigSchema,
    configurationDoc:
      "Sends a POST with agentId, runId and context to `url`; 2xx is success. With `callback: true` " +
      "the body carries the run's token, and 202 keeps the run until the callee has reported.",
    test: (context) => testUrl(context, allowPrivate),
    execute: async (context) => {
      const read = readHttpConfig(context.config);
      if (!read.ok) return failedResult(read.message);
      return call(context, read.config, allowPrivate);
    },
  });

async function call(
  context: AdapterContext,
  config: HttpConfig,
  allowPrivate: boolean,
): Promise<AdapterResult> {
  if (config.callback && context.api.token === null)
    return failedResult(
      "adapterConfig.callback needs a token for the run, and none is issued here",
    );
  const body = Buffer.from(JSON.stringify(payloadOf(context, config)));
  if (body.length > bodyBytesMax)
    return failedResult(
      `The request is ${body.length} bytes long, at most ${bodyBytesMax} are sent`,
    );
  context.restartClock(requestSec(context, config));
  const outcome = await sendRequest({
    url: config.url,
    method: config.method,
    headers: { "content-type": "application/json", ...lowerCased(config.headers) },
    body,
    allowPrivate,
    signal: context.signal,
    bytesMax: answerBytesMax,
    onConnected: () =>
      context.invoked({
        command: `${config.method} ${config.shownUrl}`,
        headers: shownHeaders(config.headers),
      }),
  });
  if (outcome.kind !== "answered") return unanswered(outcome, config);
  await context.log("stdout", outcome.answer.body);
  if (outcome.answer.cut)
    context.warn(`the answer is longer than ${answerBytesMax} bytes; the rest is left out`);
  const { status } = outcome.answer;
  if (status < 200 || status > 299) return declined(outcome.answer);
  if (config.callback && status === 202) return finalWord(context, config);
  return answered(context, outcome.answer);
}

/** What is sent; the token goes only to those who ask for it. */
function payloadOf(context: AdapterContext, config: HttpConfig): Record<string, unknown> {
  const { run, agent, api } = context;
  const reveille = { apiUrl: api.url, runId: run.id, attempt: run.attempt, token: api.token };
  return {
    ...config.payloadTemplate,
    agentId: agent.id,
    runId: run.id,
    context: run.context,
    ...(config.callback ? { reveille } : {}),
  };
}

const lowerCased = (headers: Readonly<Record<string, string>>): Record<string, string> =>
  Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]));

/** `timeoutMs` is for the answer alone; a `timeoutSec` that was configured counts as well. */
function requestSec({ config, limits }: AdapterContext, { timeoutMs }: HttpConfig): number {
  if (timeoutMs === 0) return limits.timeoutSec;
  return config["timeoutSec"] ? Math.min(timeoutMs / 1_000, limits.timeoutSec) : timeoutMs / 1_000;
}

function unanswered(
  outcome: Exclude<HttpOutcome, { kind: "answered" }>,
  { shownUrl }: HttpConfig,
): AdapterResult {
  switch (outcome.kind) {
    case "aborted":
      return { exitCode: null, errorMessage: "The request was aborted" };
    case "refused":
      return failedResult(`adapterConfig.url is not allowed: ${outcome.message}`, "url_refused");
    case "failed":
      return { ...failedResult(failureText(outcome, shownUrl)), transient: true };
  }
}

/** Nobody listens: the reference's words, which its clients know; everything else says what it was. */
function failureText({ code, message }: { code: string; message: string }, url: string): string {
  return code === "ECONNREFUSED" ? "fetch failed" : `fetch failed: ${url}: ${message}`;
}

function declined({ status, headers }: HttpAnswer): AdapterResult {
  const redirect = status >= 300 && status < 400 ? " (redirects are not followed)" : "";
  const failed = failedResult(`HTTP invoke failed with status ${status}${redirect}`);
  if (!transientStatuses.has(status)) return failed;
  const retryNotBefore = retryTime(headers["retry-after"]);
  return { ...failed, transient: true, ...(retryNotBefore ? { retryNotBefore } : {}) };
}

/** Seconds from now, or a date. Further than a day is not believed. */
function retryTime(header: string | undefined): string | null {
  if (!header) return null;
  const at = /^\d+$/.test(header.trim())
    ? Date.now() + Number(header) * 1_000
    : new Date(header).getTime();
  if (!Number.isFinite(at) || at > Date.now() + 86_400_000) return null;
  return new Date(at).toISOString();
}

/** Waits for the callee's report, which the run's actor has; here only its end is seen. */
async function finalWord(context: AdapterContext, config: HttpConfig): Promise<AdapterResult> {
  const { final, signal, limits } = context;
  context.restartClock(config.callbackTimeoutSec || limits.timeoutSec);
  if (!final.aborted && !signal.aborted)
    await new Promise<void>((resolve) => {
      for (const source of [final, signal])
        source.addEventListener("abort", () => resolve(), { once: true });
    });
  if (final.aborted) return { exitCode: 0 };
  return { exitCode: null, errorMessage: "The run was ended before the callee had reported" };
}

/** An answer `{"result": {...}}` speaks of usage, session and so on; any other is only logged. */
function answered(context: AdapterContext, { body, cut }: HttpAnswer): AdapterResult {
  const result = cut ? undefined : resultIn(body);
  if (result === undefined) return { exitCode: 0 };
  const { reported, wrong } = readReport(result);
  if (wrong.length > 0) context.warn(`in the answer's "result": ${wrong.join("; ")}`);
  return { exitCode: reported.errorMessage ? null : 0, ...reported };
}

function resultIn(body: Buffer): unknown {
  if (body[0] !== 0x7b) return undefined;
  try {
    return (JSON.parse(body.toString("utf8")) as Record<string, unknown>)["result"];
  } catch {
    // An answer that is no JSON is as good as any other.
    return undefined;
  }
}

async function testUrl(
  context: TestContext,
  allowPrivate: boolean,
): Promise<readonly EnvironmentCheck[]> {
  const read = readHttpConfig(context.config);
  if (!read.ok) return [{ code: "http_config_invalid", level: "error", message: read.message }];
  const { url, shownUrl, callback } = read.config;
  const checks: EnvironmentCheck[] = [
    { code: "http_url_valid", level: "info", message: `The URL is ${shownUrl}` },
  ];
  const host = url.hostname.replace(/^\[|\]$/g, "");
  const hint = "REVEILLE_RUNNER_HTTP_ALLOW_PRIVATE=true on the runner allows private addresses";
  const judge = (address: string): string | null => addressRefused(address, allowPrivate);
  try {
    const found = isIP(host) ? [{ address: host }] : await lookup(host, { all: true });
    const allowed = found.filter(({ address }) => judge(address) === null);
    if (allowed.length > 0)
      checks.push({
        code: "http_address_allowed",
        level: "info",
        message: `${host} may be called`,
      });
    else {
      const message = `${host} must not be called: ${judge(found[0]?.address ?? "")}`;
      checks.push({ code: "http_address_refused", level: "error", message, hint });
    }
  } catch (error) {
    const message = `${host} cannot be resolved: ${(error as Error).message}`;
    checks.push({ code: "http_host_unknown", level: "error", message });
  }
  if (callback && url.protocol === "http:")
    checks.push({
      code: "http_token_in_clear",
      level: "warn",
      message: "The run's token travels without encryption",
      hint: "Use an https URL",
    });
  return checks;
}
