import type { RunReported } from "@reveille/shared/protocol/execution";
import type { Decision } from "./decision.js";
import type { Draft } from "./draft.js";

export function onRunReported(draft: Draft, _message: RunReported): Decision {
  return draft.done(null, "ignored");
}
