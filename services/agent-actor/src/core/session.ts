/**
 * Sessions: what a run goes on with and what it leaves behind. A task has its own session under each
 * adapter type; the agent-wide id is for runs without a task alone, and follows whatever session was
 * used last. Which parameters count is the codec's business (`shared/src/protocol/session.ts`).
 */
import type { Execution, RunResult } from "@reveille/shared/protocol/execution";
import { cutDisplayId, nonBlank, sessionCodecOf } from "@reveille/shared/protocol/session";
import type { Session } from "@reveille/shared/protocol/session";
import { isoTime } from "@reveille/shared/protocol/time";
import type { Draft } from "./draft.js";
import { bytesOf } from "./run-result.js";
import type { AgentState, Json, RunState } from "./state.js";
import { hasSlot, sessionKey } from "./state.js";

type Task = Pick<RunState, "taskKey">;

/** What a run is given: the session of its task; the agent-wide one only without a task. */
export function sessionFor(state: AgentState, run: Task): Execution["session"] {
  if (run.taskKey === null) {
    const id = state.sessionId;
    return id === null ? null : { id, params: null, displayId: cutDisplayId(id) };
  }
  const { adapterType } = state.agent;
  const kept = state.taskSessions.get(sessionKey(adapterType, run.taskKey));
  if (!kept) return null;
  const codec = sessionCodecOf(adapterType);
  const params = codec.normalize(kept.params);
  const id = nonBlank(params?.["sessionId"]);
  const displayId = cutDisplayId(kept.displayId ?? codec.displayId(params) ?? id);
  return params === null && displayId === null ? null : { id, params, displayId };
}

/** The id that people see of the session a run goes on with; at most 128 characters. */
export function sessionIdBefore(state: AgentState, run: Task): string | null {
  const session = sessionFor(state, run);
  return session && (session.displayId ?? cutDisplayId(session.id));
}

/** What a run leaves behind. */
interface Left {
  /** Of its task; null: none. */
  session: Session | null;
  /** The agent-wide id. */
  agentWide: string | null;
  /** Why its parameters are not kept, when they are too large. */
  refused: string | null;
}

/** 16 KiB of JSON: parameters travel with each execution of the task. They are ids and folders, no memory. */
const paramsBytesMax = 16 * 1024;

/** Reads a result by what it names: nothing keeps what was, parameters stand above an id, blank is null. */
export function sessionAfter(state: AgentState, run: RunState, result: RunResult): Left {
  if (result.clearSession) return { session: null, agentWide: null, refused: null };
  const before = sessionBefore(state, run);
  const saysParams = result.sessionParams !== undefined;
  const saysId = result.sessionId !== undefined;
  const silent = !saysParams && !saysId && result.sessionDisplayId === undefined;
  const id = nonBlank(result.sessionId);
  const codec = sessionCodecOf(adapterTypeOf(state, run));
  const fromId = id === null ? null : { sessionId: id };
  const said = codec.normalize(saysParams ? result.sessionParams : saysId ? fromId : before.params);
  const refused = saysParams && said ? tooLarge(said) : null;
  const params = refused === null ? said : null;
  const inParams = nonBlank(params?.["sessionId"]);
  const displayId = cutDisplayId(
    nonBlank(result.sessionDisplayId) ??
      (silent ? before.displayId : null) ??
      codec.displayId(params) ??
      inParams ??
      id,
  );
  return {
    session: params === null && displayId === null ? null : { params, displayId },
    agentWide: id ?? inParams ?? displayId ?? (silent ? state.sessionId : null),
    refused,
  };
}

/** Half of them would lead nowhere: parameters are kept whole or not at all. */
function tooLarge(params: Json): string | null {
  const bytes = bytesOf(JSON.stringify(params));
  if (bytes <= paramsBytesMax) return null;
  return `session parameters of ${bytes} bytes are not kept, at most ${paramsBytesMax} are`;
}

function sessionBefore(state: AgentState, run: RunState): Session {
  if (run.taskKey === null) return { params: null, displayId: state.sessionId };
  const kept = state.taskSessions.get(sessionKey(adapterTypeOf(state, run), run.taskKey));
  return kept ?? { params: null, displayId: null };
}

/**
 * Writes what an ended run leaves. Without a result (lost, or its adapter could not do its work) sessions
 * stay as they are and the task's is marked with the error. Returns the id that people see of it afterwards.
 */
export function keepSession(
  draft: Draft,
  run: RunState,
  end: { result: RunResult | null; error: string | null },
): string | null {
  const { state } = draft;
  if (end.result === null) {
    const kept = run.taskKey === null ? null : sessionBefore(state, run);
    if (kept && (kept.params !== null || kept.displayId !== null))
      writeSession(draft, run, kept, end.error);
    return null;
  }
  const { session, agentWide, refused } = sessionAfter(state, run, end.result);
  draft.changeState({ sessionId: agentWide });
  const failure = end.error === null ? null : (end.result.errorMessage ?? "run_failed");
  if (run.taskKey !== null) writeSession(draft, run, session, failure ?? refused);
  return session?.displayId ?? cutDisplayId(agentWide);
}

function writeSession(
  draft: Draft,
  run: RunState,
  session: Session | null,
  lastError: string | null,
): void {
  const { state, delivery } = draft;
  const taskKey = run.taskKey!;
  const adapterType = adapterTypeOf(state, run);
  const known = sessionKey(adapterType, taskKey);
  const { id: agentId, companyId } = state.agent;
  const key = { agentId, companyId, adapterType, taskKey };
  if (session)
    draft.row({
      table: "taskSessions",
      op: "upsert",
      row: {
        ...key,
        params: session.params,
        displayId: session.displayId,
        lastRunId: run.id,
        lastError,
        updatedAt: isoTime(delivery.atMs),
      },
    });
  // Known to have none: there is no row to delete.
  else if (state.taskSessions.get(known) !== null)
    draft.row({ table: "taskSessions", op: "delete", row: key });
  else return;
  draft.changeState({ taskSessions: new Map(state.taskSessions).set(known, session) });
}

/**
 * Puts the session of a wake's task into the state, which has to know it as long as a run or a wait of
 * the task lives. Only a wake comes with it; what becomes of a wake later is known already.
 */
export function rememberSession(draft: Draft, taskKey: string | null): void {
  const { state, inputs, delivery } = draft;
  if (taskKey === null || delivery.message.kind !== "wake") return;
  const key = sessionKey(state.agent.adapterType, taskKey);
  if (state.taskSessions.has(key)) return;
  draft.changeState({ taskSessions: new Map(state.taskSessions).set(key, inputs.taskSession) });
}

/** The type that the run's process has: the agent's, unless that was changed after the run was sent. */
const adapterTypeOf = (state: AgentState, run: RunState): string =>
  run.reported?.adapterType ?? state.agent.adapterType;

/**
 * The agent gets another adapter type: runs that are under way end under the one they were sent with, or
 * their sessions would be given to a program that cannot read them. Call it before the type changes.
 */
export function keepAdapterType(draft: Draft): void {
  const { adapterType } = draft.state.agent;
  for (const run of draft.state.runs)
    if (hasSlot(run) && run.reported?.adapterType === undefined)
      draft.changeRun(run.id, {
        reported: { carried: null, current: null, patch: {}, ...run.reported, adapterType },
      });
}
