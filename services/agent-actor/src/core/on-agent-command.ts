/** Pause, resume, terminate, configure: what changes the agent itself. Pause is a gate at every admission. */
import type { AgentCommand, Configure } from "@reveille/shared/protocol/commands";
import { isoTime } from "@reveille/shared/protocol/time";
import { admitQueued } from "./admit.js";
import { cancelRun } from "./cancel-run.js";
import type { Decision } from "./decision.js";
import type { Draft } from "./draft.js";
import { nextTimerAfter, readPolicy } from "./policy.js";
import type { AgentStatus } from "./state.js";
import { isRunning } from "./state.js";

/** Queued and running runs are cancelled; deferred wakes stay and go on after a resume. */
export function onPause(draft: Draft, command: AgentCommand): Decision {
  if (draft.state.agent.status === "terminated") return draft.done(null, "ignored");
  return stopWith(draft, "paused", command.reason ?? "Cancelled due to agent pause");
}

export function onTerminate(draft: Draft, command: AgentCommand): Decision {
  return stopWith(draft, "terminated", command.reason ?? "Cancelled due to agent pause");
}

export function onResume(draft: Draft): Decision {
  const { status } = draft.state.agent;
  if (status !== "paused" && status !== "pending_approval" && status !== "error")
    return draft.done(null, "ignored");
  setStatus(draft, draft.state.runs.some(isRunning) ? "running" : "idle");
  if (!admitQueued(draft)) return { kind: "needs", locks: draft.needed };
  return draft.done();
}

/** New configuration: what is absent stays; a changed interval starts anew from now. */
export function onConfigure(draft: Draft, command: Configure): Decision {
  const { agent } = draft.state;
  const runtimeConfig = command.runtimeConfig ?? agent.runtimeConfig;
  const policy = readPolicy(runtimeConfig);
  const sameTimer =
    policy.intervalSec === draft.state.policy.intervalSec &&
    policy.timerEnabled === draft.state.policy.timerEnabled;
  const nextTimerAtMs = sameTimer
    ? agent.nextTimerAtMs
    : nextTimerAfter(policy, draft.delivery.atMs);
  draft.changeState({ policy });
  draft.changeAgent({
    name: command.name ?? agent.name,
    adapterType: command.adapterType ?? agent.adapterType,
    adapterConfig: command.adapterConfig ?? agent.adapterConfig,
    runtimeConfig,
    nextTimerAtMs,
  });
  const now = draft.state.agent;
  draft.row({
    table: "agents",
    op: "update",
    row: {
      id: agent.id,
      name: now.name,
      adapterType: now.adapterType,
      adapterConfig: now.adapterConfig,
      runtimeConfig: now.runtimeConfig,
      nextTimerAt: nextTimerAtMs === null ? null : isoTime(nextTimerAtMs),
      timerChanged: true,
    },
  });
  if (!sameTimer)
    draft.effect({
      kind: "set-timer",
      timer: "heartbeat",
      companyId: agent.companyId,
      agentId: agent.id,
      dueAtMs: nextTimerAtMs,
    });
  if (!admitQueued(draft)) return { kind: "needs", locks: draft.needed };
  return draft.done();
}

function stopWith(draft: Draft, status: AgentStatus, reason: string): Decision {
  setStatus(draft, status);
  for (const run of draft.state.runs) cancelRun(draft, run, reason);
  return draft.done();
}

function setStatus(draft: Draft, status: AgentStatus): void {
  draft.changeAgent({ status });
  draft.row({ table: "agents", op: "update", row: { id: draft.state.agent.id, status } });
  draft.announce("agent.status", { agentId: draft.state.agent.id, status });
}
