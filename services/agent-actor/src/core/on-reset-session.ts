/**
 * Forgets sessions that are kept: of one task under the agent's present adapter type, or all that the
 * agent has; the agent-wide one and the last error in any case.
 *
 * A run that is under way is left alone, and its end writes where its conversation stands by then: that
 * is newer than the reset, and a process cannot be made to forget. Who wants that conversation gone too
 * cancels the run first: messages of one agent are decided in order.
 */
import type { ResetSession } from "@reveille/shared/protocol/commands";
import { isoTime } from "@reveille/shared/protocol/time";
import type { Decision } from "./decision.js";
import type { Draft } from "./draft.js";
import { sessionKey } from "./state.js";

export function onResetSession(draft: Draft, { taskKey }: ResetSession): Decision {
  const { state, delivery } = draft;
  const { id: agentId, companyId, adapterType } = state.agent;
  const taskSessions = new Map(state.taskSessions);
  if (taskKey) {
    taskSessions.set(sessionKey(adapterType, taskKey), null);
    draft.row({
      table: "taskSessions",
      op: "delete",
      row: { agentId, companyId, adapterType, taskKey },
    });
  } else {
    for (const key of taskSessions.keys()) taskSessions.set(key, null);
    draft.row({ table: "agentSessions", op: "delete", row: { agentId, companyId } });
  }
  draft.changeState({ sessionId: null, taskSessions });
  draft.row({
    table: "runtimeStates",
    op: "upsert",
    row: {
      agentId,
      companyId,
      adapterType,
      sessionId: null,
      lastError: null,
      updatedAt: isoTime(delivery.atMs),
    },
  });
  return draft.done();
}
