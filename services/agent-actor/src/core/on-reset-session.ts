import type { ResetSession } from "@reveille/shared/protocol/commands";
import type { Decision } from "./decision.js";
import type { Draft } from "./draft.js";

export function onResetSession(draft: Draft, _message: ResetSession): Decision {
  return draft.done(null, "ignored");
}
