/** What a message to an agent that does not exist (or is of another company) leads to: an answer, and no row. */
import type { Effect } from "./decision.js";
import type { Delivery } from "./delivery.js";
import { readWake } from "./on-wake.js";
import type { Verdict } from "@reveille/shared/protocol/wake";

export function decideUnknownAgent(delivery: Delivery): {
  effects: Effect[];
  verdict: Verdict | null;
} {
  const { message } = delivery;
  switch (message.kind) {
    case "wake": {
      const { wakeId } = readWake(message.body, delivery);
      const verdict: Verdict = { outcome: "rejected", wakeId, reason: "agent_not_found" };
      const { replyTo, encoding } = delivery;
      return {
        effects: replyTo === null ? [] : [{ kind: "reply", subject: replyTo, encoding, verdict }],
        verdict,
      };
    }
    case "run.started":
    case "run.progress":
    case "run.finished":
    case "run.lost": {
      const { incarnation, runId, attempt, claimId } = message.body;
      const report = message.kind.slice(4) as "started" | "progress" | "finished" | "lost";
      const answer = report === "started" ? "no" : "gone";
      return {
        effects: [
          {
            kind: "answer",
            incarnation,
            report,
            answer,
            runId,
            attempt,
            claimId,
            reason: "the agent is unknown",
          },
        ],
        verdict: null,
      };
    }
    case "timer":
    case "grant":
    case "expired":
    case "cancel":
    case "pause":
    case "resume":
    case "terminate":
    case "configure":
    case "reset-session":
    case "delete":
    case "approve":
    case "cancel-all":
    case "admit":
    case "cost":
    case "run.reported":
      return { effects: [], verdict: null };
  }
}
