/**
 * When an agent that is to be deleted is gone: in the decision that ends its last run, so that no
 * instant shows it gone while a process of it lives. Its rows are removed by the shell's retention.
 */
import { isoTime } from "@reveille/shared/protocol/time";
import type { Draft } from "./draft.js";

/** Asked at the deletion itself and after every end of a run. */
export function finishDeletion(draft: Draft): void {
  const { agent, runs, waits } = draft.state;
  if (agent.deleteRequestedAtMs === null || agent.deletedAtMs !== null) return;
  if (runs.length > 0 || waits.length > 0) return;
  const { atMs } = draft.delivery;
  draft.changeAgent({ deletedAtMs: atMs });
  draft.row({ table: "agents", op: "update", row: { id: agent.id, deletedAt: isoTime(atMs) } });
  draft.announce("agent.status", { agentId: agent.id, status: "terminated", deleted: true });
}
