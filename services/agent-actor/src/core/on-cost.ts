import type { Cost } from "@reveille/shared/protocol/commands";
import type { Decision } from "./decision.js";
import type { Draft } from "./draft.js";

export function onCost(draft: Draft, _message: Cost): Decision {
  return draft.done(null, "ignored");
}
