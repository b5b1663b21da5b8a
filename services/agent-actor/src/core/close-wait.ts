/** A wake that waits for its issue and will never run: it fails with its reason and passes the lock on. */
import { isoTime } from "@reveille/shared/protocol/time";
import type { Draft } from "./draft.js";
import type { WaitState } from "./state.js";

/** Ends the wait. It lets go of the lock if it was granted, else of its place among the waiters. */
export function closeWait(draft: Draft, wait: WaitState, error: string): void {
  const at = isoTime(draft.delivery.atMs);
  draft.removeWait(wait.requestId);
  draft.row({
    table: "wakes",
    op: "update",
    row: {
      id: wait.requestId,
      status: "failed",
      waits: false,
      error,
      finishedAt: at,
      updatedAt: at,
      owesRelease: true,
    },
  });
  draft.release(wait.issueId, wait.runId, "wake", wait.requestId);
}
