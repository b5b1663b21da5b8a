/**
 * An agent is deleted: it is terminated, everything of it is ended, and what waits for an issue passes it
 * on. The agent is gone with the last process: `deletion.ts` looks at every end of a run.
 */
import type { AgentCommand } from "@reveille/shared/protocol/commands";
import { isoTime } from "@reveille/shared/protocol/time";
import { closeWait } from "./close-wait.js";
import type { Decision } from "./decision.js";
import { finishDeletion } from "./deletion.js";
import type { Draft } from "./draft.js";
import { cancelAll, closeForGood } from "./on-agent-command.js";

const reasonDefault = "Cancelled because its agent was deleted";

export function onDelete(draft: Draft, command: AgentCommand): Decision {
  const { agent, waits } = draft.state;
  const reason = command.reason ?? reasonDefault;
  if (agent.deleteRequestedAtMs === null) {
    const { atMs } = draft.delivery;
    closeForGood(draft);
    draft.changeAgent({ deleteRequestedAtMs: atMs });
    draft.row({
      table: "agents",
      op: "update",
      row: { id: agent.id, deleteRequestedAt: isoTime(atMs) },
    });
  }
  for (const wait of waits) closeWait(draft, wait, reason);
  // A repeat tells the runners again.
  cancelAll(draft, reason);
  finishDeletion(draft);
  return draft.done();
}
