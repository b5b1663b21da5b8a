/**
 * The tokens that go with a go. Made when the answer is sent and kept nowhere: an answer that is sent
 * again carries another token, as good as the first. Without a signing secret there are none.
 */
import { signRunToken } from "@reveille/shared/credentials/run-token";
import type { Clock } from "@reveille/shared/runtime/clock";
import type { Logger } from "@reveille/shared/runtime/log";
import type { Effect } from "../core/decision.js";

type Go = Pick<Extract<Effect, { kind: "answer" }>, "runId" | "attempt" | "claimId" | "token">;
/** The token of a go; undefined when there is none to give. */
export type RunTokens = (go: Go) => string | undefined;

/** @param secret as `readKeys` gives it. */
export function createRunTokens(secret: string | null, clock: Clock, logger: Logger): RunTokens {
  let warned = false;
  return ({ runId, attempt, claimId, token }) => {
    if (!token) return undefined;
    if (secret !== null)
      return signRunToken(secret, { ...token, runId, attempt, claimId }, clock.wallMs());
    if (!warned) logger.warn("REVEILLE_RUN_TOKEN_SECRET is not set: runs get no token for the API");
    warned = true;
    return undefined;
  };
}
