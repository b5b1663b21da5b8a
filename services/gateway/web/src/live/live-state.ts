/**
 * What the live events of one company have told so far: agents, live runs, the last line of each. Pure: frames in, state out. Knows no
 * socket and no clock. A frame that comes twice changes nothing the second time.
 */

import { shownText } from "../log/ansi.js";

export interface Frame {
  type: string;
  companyId: string;
  createdAt: string;
  payload: Record<string, unknown>;
}
export interface LiveAgent {
  status: string;
  lastHeartbeatAt: string | null;
  /** How its last run ended, when that was seen. */
  outcome: string | null;
}
export interface LiveRun {
  runId: string;
  agentId: string;
  status: string;
  issueId: string | null;
  createdAt: string;
  startedAt: string | null;
  finishedAt: string | null;
  errorCode: string | null;
  /** Number of the last event seen; events have no gaps. */
  seq: number;
  /** The newest text that it printed. */
  line: string | null;
}

/** Runs that are over and still shown as "just now". */
const endedMax = 100;
/** Runs that a gateway lets a reader name. */
const namedMax = 350;
/** Of a line, in a list. */
const lineCharsMax = 400;

export const isLive = (status: string): boolean => status === "queued" || status === "running";

export class LiveState {
  readonly agents = new Map<string, LiveAgent>();
  /** The oldest first. */
  readonly runs = new Map<string, LiveRun>();
  /** Time of the last frame, as the gateway says it; null: there was none. */
  lastFrameAt: string | null = null;

  /** Takes a frame in. Returns false when it told nothing new. */
  apply(frame: Frame): boolean {
    this.lastFrameAt = frame.createdAt;
    switch (frame.type) {
      case "snapshot":
        return this.#snapshot(frame.payload);
      case "agent.status":
        return this.#agentStatus(frame.payload);
      case "heartbeat.run.queued":
        return this.#queued(frame);
      case "heartbeat.run.status":
        return this.#runStatus(frame);
      case "heartbeat.run.event":
        return this.#event(frame.payload);
      case "heartbeat.run.log":
        return this.#line(frame.payload);
      default:
        return true;
    }
  }

  /** What a new connection has to ask for so that nothing is missed; empty: everything as of now. */
  resumeQuery(): string {
    if (this.lastFrameAt === null) return "snapshot=1";
    const live = [...this.runs.values()].filter(({ status }) => isLive(status));
    const named = live.slice(-namedMax).map(({ runId, seq }) => `${runId}:${seq}`);
    const since = `since=${encodeURIComponent(this.lastFrameAt)}`;
    return named.length === 0 ? since : `${since}&runs=${named.join(",")}`;
  }

  #snapshot(payload: Record<string, unknown>): boolean {
    const agents = payload["agents"] as {
      agentId: string;
      status: string;
      lastHeartbeatAt: string | null;
    }[];
    const before = new Map(this.agents);
    this.agents.clear();
    for (const { agentId, status, lastHeartbeatAt } of agents)
      this.agents.set(agentId, {
        status,
        lastHeartbeatAt,
        outcome: before.get(agentId)?.outcome ?? null,
      });
    const told = new Set<string>();
    for (const run of payload["runs"] as (Partial<LiveRun> & {
      runId: string;
      lastEventSeq: number;
    })[]) {
      told.add(run.runId);
      const known = this.runs.get(run.runId);
      // Events behind the number that we have follow as frames of their own.
      this.#put({
        ...blank(run.runId),
        ...known,
        ...shown(run),
        seq: known?.seq ?? run.lastEventSeq,
      });
    }
    // Live for us and unknown to the snapshot: more of them than can be named, or gone with a database that was set back.
    for (const run of this.runs.values())
      if (isLive(run.status) && !told.has(run.runId)) this.runs.delete(run.runId);
    return true;
  }

  #agentStatus(payload: Record<string, unknown>): boolean {
    const id = text(payload["agentId"]);
    if (id === null) return false;
    if (payload["deleted"] === true) return this.agents.delete(id);
    const known = this.agents.get(id);
    this.agents.set(id, {
      status: text(payload["status"]) ?? known?.status ?? "idle",
      lastHeartbeatAt: text(payload["lastHeartbeatAt"]) ?? known?.lastHeartbeatAt ?? null,
      outcome: text(payload["outcome"]) ?? known?.outcome ?? null,
    });
    return true;
  }

  #queued({ payload, createdAt }: Frame): boolean {
    const runId = text(payload["runId"]);
    if (runId === null || this.runs.has(runId)) return false;
    this.#put({ ...blank(runId), ...shown(payload), status: "queued", createdAt });
    return true;
  }

  #runStatus({ payload, createdAt }: Frame): boolean {
    const runId = text(payload["runId"]);
    if (runId === null) return false;
    const known = this.runs.get(runId);
    // What is over stays over: a frame that was held back while the snapshot was read may be older than it.
    if (known && !isLive(known.status) && isLive(String(payload["status"]))) return false;
    this.#put({ ...blank(runId), createdAt, ...known, ...shown(payload) });
    return true;
  }

  #event(payload: Record<string, unknown>): boolean {
    const run = this.runs.get(String(payload["runId"]));
    const seq = Number(payload["seq"]);
    if (!run || !(seq > run.seq)) return false;
    this.runs.set(run.runId, { ...run, seq });
    return true;
  }

  #line(payload: Record<string, unknown>): boolean {
    const run = this.runs.get(String(payload["runId"]));
    const line = lastLine(text(payload["chunk"]) ?? "");
    if (!run || line === null) return false;
    this.runs.set(run.runId, { ...run, line });
    return true;
  }

  #put(run: LiveRun): void {
    this.runs.set(run.runId, run);
    if (isLive(run.status)) return;
    const ended = [...this.runs.values()].filter(({ status }) => !isLive(status));
    for (const { runId } of ended.slice(0, Math.max(0, ended.length - endedMax)))
      this.runs.delete(runId);
  }
}

const blank = (runId: string): LiveRun => ({
  runId,
  agentId: "",
  status: "queued",
  issueId: null,
  createdAt: "",
  startedAt: null,
  finishedAt: null,
  errorCode: null,
  seq: 0,
  line: null,
});

const runKeys = [
  "agentId",
  "status",
  "issueId",
  "createdAt",
  "startedAt",
  "finishedAt",
  "errorCode",
] as const;
/** What a payload says of a run; what it leaves out stays as it was. */
const shown = (payload: Record<string, unknown> | Partial<LiveRun>): Partial<LiveRun> =>
  Object.fromEntries(
    runKeys.flatMap((key) => {
      const value = (payload as Record<string, unknown>)[key];
      return value === undefined || value === null ? [] : [[key, value]];
    }),
  );

const text = (value: unknown): string | null => (typeof value === "string" ? value : null);

/** The last line with something on it, without what would move a terminal's cursor; null: there is none. */
export function lastLine(chunk: string): string | null {
  const lines = chunk.slice(-4 * lineCharsMax).split(/[\r\n]+/);
  for (const raw of lines.toReversed()) {
    const line = shownText(raw).trim();
    if (line !== "") return line.slice(0, lineCharsMax);
  }
  return null;
}
