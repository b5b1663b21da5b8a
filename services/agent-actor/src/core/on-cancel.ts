/** The command to end one run: what that means is in `cancel-run.ts`. */
import type { Cancel } from "@reveille/shared/protocol/commands";
import { admitQueued } from "./admit.js";
import { cancelRun } from "./cancel-run.js";
import type { Decision } from "./decision.js";
import type { Draft } from "./draft.js";

export function onCancel(draft: Draft, command: Cancel): Decision {
  const run = draft.run(command.runId);
  if (!run) return draft.done(null, "ignored");
  cancelRun(draft, run, command.reason);
  if (!admitQueued(draft)) return { kind: "needs", locks: draft.needed };
  return draft.done();
}
