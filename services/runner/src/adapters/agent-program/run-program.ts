/**
 * One run of an agent's program, whatever program it is: prompt on standard input, its output read as it
 * comes, the session resumed where it may be, begun anew once where the program does not know it. Answers
 * the run's result; knows no program's options or events.
 */
import { resolve } from "node:path";
import type { RunResult } from "@reveille/shared/protocol/execution";
import { sessionTotalsOf } from "@reveille/shared/protocol/session";
import type { AdapterContext, AdapterResult, ProcessEnd } from "../../adapter.js";
import { failedResult } from "../../core/outcome.js";
import { failureFields } from "./failure.js";
import { noUsage } from "./fields.js";
import { createLineReader } from "./line-reader.js";
import { promptCharsMax } from "./prompt.js";
import type { Conclusion, StreamReader, StreamStart } from "./stream.js";

/** What an adapter has made of its configuration and the run. */
export interface ProgramRun {
  /** First part of its error codes, and for people. */
  program: string;
  provider: string;
  command: string;
  cwd: string;
  env: Readonly<Record<string, string>>;
  /** `sessionId` null: a session that begins. */
  args: (sessionId: string | null) => readonly string[];
  prompt: (resumed: boolean) => string;
  read: (start: StreamStart) => StreamReader;
  /** As configured; the program's own word comes first. */
  model: string | null;
  /** Where the program does not say how it is paid. */
  billing: NonNullable<RunResult["billingType"]>;
}

/** One event: a tool's whole output, for instance. As much as the reference captures of a stream. */
const lineBytesMax = 4 * 1024 * 1024;
/** Of standard error, for the reason of a failure. */
const stderrBytesMax = 16 * 1024;
/** A program that only waits for its service is ended after this; the retry policy then has its say. */
const waitingMsMax = 120_000;
const summaryMax = 16_384;

/** Runs it to its end; a failure of the work is a result. */
export async function runProgram(context: AdapterContext, run: ProgramRun): Promise<AdapterResult> {
  const saved = savedSession(context, run);
  let turn = await oneTurn(context, run, saved.sessionId, saved.totals);
  let fresh = saved.sessionId === null;
  if (saved.sessionId !== null && isUnknown(turn) && context.stop === null) {
    context.warn(`${run.program} does not know the session ${saved.sessionId}; a new one begins`);
    turn = await oneTurn(context, run, null, null);
    fresh = true;
  }
  if (turn === null) return failedResult(`The prompt is longer than ${promptCharsMax} characters`);
  if (turn.end.startError !== null) return failedResult(turn.end.startError);
  return resultOf(context, run, turn, fresh ? null : saved.sessionId);
}

interface Turn {
  end: ProcessEnd;
  conclusion: Conclusion;
}
const isUnknown = (turn: Turn | null): boolean =>
  turn?.conclusion.failure?.family === "session_unknown";

/** What could be an option, or is no id, is none. */
const sessionPattern = /^[A-Za-z0-9][A-Za-z0-9_.:-]{0,199}$/;

/** What to resume: only in the folder in which the session was, because its program looks there. */
function savedSession(
  { session, warn }: AdapterContext,
  { cwd, program }: ProgramRun,
): { sessionId: string | null; totals: StreamStart["base"] } {
  const none = { sessionId: null, totals: null };
  const id = textIn(session?.params, "sessionId") ?? session?.id ?? null;
  if (id === null || !sessionPattern.test(id)) return none;
  const folder = textIn(session?.params, "cwd");
  if (folder !== null && resolve(folder) !== resolve(cwd)) {
    warn(
      `the session ${id} of ${program} was in ${folder}, and this run is in ${cwd}: a new one begins`,
    );
    return none;
  }
  return { sessionId: id, totals: sessionTotalsOf(session?.params) };
}

function textIn(params: Readonly<Record<string, unknown>> | null | undefined, name: string) {
  const value = params?.[name];
  return typeof value === "string" && value.trim() !== "" ? value.trim() : null;
}

/** One process, from its start to its end. Null: there is no prompt for it that is short enough. */
async function oneTurn(
  context: AdapterContext,
  run: ProgramRun,
  sessionId: string | null,
  totals: StreamStart["base"],
): Promise<Turn | null> {
  const prompt = run.prompt(sessionId !== null);
  if (prompt.length > promptCharsMax) return null;
  const base = sessionId === null ? { usage: noUsage, costUsd: 0 } : totals;
  const reader = run.read({ base });
  const enough = new AbortController();
  const stdout = listenTo(context, reader, enough);
  const end = await context.launch({
    command: run.command,
    args: run.args(sessionId),
    cwd: run.cwd,
    env: run.env,
    input: prompt,
    enough: enough.signal,
    onOutput: (stream, chunk) => {
      if (stream === "stdout") stdout.push(chunk);
    },
  });
  stdout.end();
  if (stdout.skipped > 0)
    context.warn(`${stdout.skipped} lines of ${run.program} were too long and were not read`);
  const timeZone = context.env["TZ"];
  const conclusion = reader.conclude({
    ...end,
    stderr: context.tail("stderr", stderrBytesMax),
    nowMs: context.nowMs(),
    ...(timeZone ? { timeZone } : {}),
  });
  return { end, conclusion };
}

/** Reads the output line by line: tells what is done and used, and ends what only waits. */
function listenTo(context: AdapterContext, reader: StreamReader, enough: AbortController) {
  let told = "";
  let waitsSinceMs: number | null = null;
  return createLineReader(lineBytesMax, (line) => {
    for (const entry of reader.read(line)) context.transcript(entry);
    const used = JSON.stringify(reader.used);
    if (used !== told && used !== "{}") context.report(reader.used);
    told = used;
    const nowMs = context.nowMs();
    if (reader.waitingCount === 0) waitsSinceMs = null;
    else if (nowMs - (waitsSinceMs ??= nowMs) >= waitingMsMax) enough.abort();
  });
}

function resultOf(
  context: AdapterContext,
  run: ProgramRun,
  { end, conclusion }: Turn,
  resumed: string | null,
): AdapterResult {
  const { failure, facts, summary, used } = conclusion;
  const sessionId = conclusion.sessionId ?? (isUnknown({ end, conclusion }) ? null : resumed);
  return {
    exitCode: end.exitCode,
    signal: end.signal,
    ...used,
    provider: run.provider,
    ...optional("model", conclusion.model ?? run.model),
    billingType: conclusion.billing ?? run.billing,
    ...sessionFields(context, run, conclusion, sessionId),
    ...optional("summary", summary?.slice(0, summaryMax) ?? null),
    ...(failure ? failureFields(run.program, failure) : {}),
    resultJson: { ...facts, ...(failure ? { errorFamily: failure.family } : {}) },
  };
}

/** What the next run of the task goes on with. A session that its program does not know is forgotten. */
function sessionFields(
  { workspace, session }: AdapterContext,
  { cwd }: ProgramRun,
  { totals }: Conclusion,
  sessionId: string | null,
): AdapterResult {
  if (sessionId === null) return session === null ? {} : { clearSession: true };
  const { workspaceId, repoUrl, repoRef } = workspace;
  return {
    sessionId,
    sessionDisplayId: sessionId,
    sessionParams: {
      sessionId,
      cwd,
      ...optional("workspaceId", workspaceId),
      ...optional("repoUrl", repoUrl),
      ...optional("repoRef", repoRef),
      ...optional("totals", totals),
    },
  };
}

const optional = <K extends string, V>(name: K, value: V | null): { [name in K]?: V } =>
  value === null ? {} : ({ [name]: value } as { [name in K]: V });
