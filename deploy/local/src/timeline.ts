// Owns what each event means to a person at a console: one line for wakes, starts, locks and outcomes. Knows no transport; names come
// from a directory.
import { clean, type Console } from "./console-line.js";
import type { Directory } from "./progress-names.js";
import type { RunOutput } from "./run-output.js";

type Payload = Readonly<Record<string, unknown>>;

export interface Timeline {
  event(type: string, createdAt: string, payload: Payload): Promise<void>;
}

/** Issues whose last holder is remembered. */
const ISSUES_MAX = 2_000;
const GREEN = 32;
const RED = 31;
const CYAN = 36;

export function createTimeline(
  directory: Directory,
  { line, paint }: Console,
  output: RunOutput,
): Timeline {
  /** Who had an issue last, so that a hand-over can be told. */
  const holders = new Map<string, { agent: string; runId: string }>();

  const tellLock = async (at: string, runId: string): Promise<void> => {
    const { agent, issue, issueId } = await directory.run(runId);
    if (issueId === undefined) return;
    const last = holders.get(issueId);
    holders.delete(issueId);
    holders.set(issueId, { agent, runId });
    if (holders.size > ISSUES_MAX) holders.delete(holders.keys().next().value!);
    const name = issue ?? issueId;
    if (last === undefined) line(at, agent, paint(CYAN, `lock      holds ${name}`));
    else if (last.runId !== runId)
      line(at, agent, paint(CYAN, `lock      ${name} handed over: ${last.agent} -> ${agent}`));
  };

  const status = async (at: string, payload: Payload): Promise<void> => {
    const runId = text(payload, "runId");
    const state = text(payload, "status");
    const { agent } = await directory.run(runId);
    const short = runId.slice(0, 8);
    if (state === "queued") return;
    if (state === "running") {
      await tellLock(at, runId);
      line(at, agent, paint(GREEN, `go        run ${short} started`));
      return;
    }
    output.end(at, agent, runId);
    const error = text(payload, "error");
    const outcome = `${state.padEnd(9)} run ${short} after ${took(payload)}${error ? `: ${clean(error)}` : ""}`;
    line(at, agent, paint(state === "succeeded" ? GREEN : RED, outcome));
  };

  /** What happens to a run between its start and its outcome: an attempt lost, the next one started. */
  const lifecycle = async (at: string, payload: Payload): Promise<void> => {
    const message = text(payload, "message");
    if (text(payload, "eventType") !== "lifecycle" || !message.includes("attempt")) return;
    const runId = text(payload, "runId");
    const { agent } = await directory.run(runId);
    const kind = text(payload, "level") === "warn" ? "lost" : "go";
    const told = `${kind.padEnd(9)} run ${runId.slice(0, 8)}: ${clean(message)}`;
    line(at, agent, paint(kind === "lost" ? RED : GREEN, told));
  };

  return {
    event: async (type, at, payload) => {
      if (type === "heartbeat.run.status") await status(at, payload);
      else if (type === "heartbeat.run.queued") {
        const runId = text(payload, "runId");
        const { agent, issue, reason } = await directory.run(runId);
        const about = issue ? ` on ${issue}` : "";
        line(at, agent, `wake      ${reason}${about}: queued as run ${runId.slice(0, 8)}`);
      } else if (type === "heartbeat.run.event") await lifecycle(at, payload);
      else if (type === "mailbox.gap")
        line(at, "MAILBOX", paint(RED, `messages were lost: ${JSON.stringify(payload)}`));
    },
  };
}

const text = (payload: Payload, key: string): string => {
  const value = payload[key];
  return typeof value === "string" ? value : "";
};

function took(payload: Payload): string {
  const ms = Date.parse(text(payload, "finishedAt")) - Date.parse(text(payload, "startedAt"));
  if (Number.isNaN(ms)) return "no start";
  return ms < 1_000 ? `${ms} ms` : `${(ms / 1_000).toFixed(1)} s`;
}
