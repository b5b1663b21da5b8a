/**
 * The agent's status follows from what lives: running with a live run, else what the last outcome says.
 * A gate (paused, terminated, pending approval) is set by commands alone and never touched from here.
 */
import { isoTime } from "@reveille/shared/protocol/time";
import type { Draft } from "./draft.js";
import type { TerminalStatus } from "./outcome.js";
import type { AgentStatus } from "./state.js";
import { isInvokable, isRunning } from "./state.js";

/** After a run has started (`running`) or ended: state, row and the event for consoles. */
export function settleAgent(draft: Draft, outcome: TerminalStatus | "running"): void {
  const { agent, runs } = draft.state;
  const rest: AgentStatus = outcome === "failed" || outcome === "timed_out" ? "error" : "idle";
  const settled: AgentStatus = runs.some(isRunning) ? "running" : rest;
  const status = isInvokable(agent.status) ? settled : agent.status;
  const ended = outcome !== "running";
  const lastHeartbeatAtMs = draft.delivery.atMs;
  const heartbeat = ended ? { lastHeartbeatAt: isoTime(lastHeartbeatAtMs) } : {};
  draft.changeAgent({ status, ...(ended ? { lastHeartbeatAtMs } : {}) });
  draft.row({ table: "agents", op: "update", row: { id: agent.id, status, ...heartbeat } });
  draft.announce("agent.status", { agentId: agent.id, status, outcome, ...heartbeat });
}

/** Closes the gate, with the reason and the time of it: state, row and the event for consoles. */
export function pauseAgent(draft: Draft, pauseReason: string): void {
  const { id } = draft.state.agent;
  draft.changeAgent({ status: "paused", pauseReason });
  draft.row({
    table: "agents",
    op: "update",
    row: {
      id,
      status: "paused",
      pauseReason,
      pausedAt: isoTime(draft.delivery.atMs),
      pauseChanged: true,
    },
  });
  draft.announce("agent.status", { agentId: id, status: "paused" });
}
