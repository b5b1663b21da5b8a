/**
 * Decides what one delivery does to one agent. Pure and total: no clock, no I/O, no randomness; equal
 * inputs give equal decisions, so whoever owns the agent next decides the same. When the outcome hangs
 * on the lock of an issue the answer is `needs`: the shell asks for the lock and calls again with the
 * outcome among the inputs (on a replay the lock may answer otherwise, and that is as good).
 */
import { Draft } from "./draft.js";
import type { Decision } from "./decision.js";
import type { Delivery, Inputs } from "./delivery.js";
import {
  onAdmit,
  onApprove,
  onCancelAll,
  onPause,
  onResume,
  onTerminate,
} from "./on-agent-command.js";
import { onCancel } from "./on-cancel.js";
import { onConfigure } from "./on-configure.js";
import { onDelete } from "./on-delete.js";
import { onGrant } from "./on-grant.js";
import { onExpired, onRunFinished, onRunLost, onRunProgress } from "./on-run-report.js";
import { onRunStarted } from "./on-run-started.js";
import { onCost } from "./on-cost.js";
import { onResetSession } from "./on-reset-session.js";
import { onRunReported } from "./on-run-reported.js";
import { onTimer } from "./on-timer.js";
import { onWake } from "./on-wake.js";
import type { AgentState } from "./state.js";

export function decide(state: AgentState, delivery: Delivery, inputs: Inputs): Decision {
  const draft = new Draft(state, delivery, inputs);
  const { message } = delivery;
  switch (message.kind) {
    case "wake":
      return onWake(draft, message.body);
    case "timer":
      return onTimer(draft, message.body);
    case "grant":
      return onGrant(draft, message.body);
    case "run.started":
      return onRunStarted(draft, message.body);
    case "run.progress":
      return onRunProgress(draft, message.body);
    case "run.finished":
      return onRunFinished(draft, message.body);
    case "run.lost":
      return onRunLost(draft, message.body);
    case "expired":
      return onExpired(draft, message.body);
    case "cancel":
      return onCancel(draft, message.body);
    case "pause":
      return onPause(draft, message.body);
    case "resume":
      return onResume(draft);
    case "terminate":
      return onTerminate(draft, message.body);
    case "delete":
      return onDelete(draft, message.body);
    case "approve":
      return onApprove(draft);
    case "cancel-all":
      return onCancelAll(draft, message.body);
    case "admit":
      return onAdmit(draft);
    case "reset-session":
      return onResetSession(draft, message.body);
    case "cost":
      return onCost(draft, message.body);
    case "run.reported":
      return onRunReported(draft, message.body);
    case "configure":
      return onConfigure(draft, message.body);
  } // no default: a new kind is a compile error here
}
