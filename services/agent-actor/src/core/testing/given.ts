/** Short forms for tables of given, when, then: one message against one state, and what came of it. */
import { invariant } from "@reveille/shared/errors";
import { decide } from "../decide.js";
import type { Decided, Effect, Row } from "../decision.js";
import type { Delivery, Inputs, MailboxMessage } from "../delivery.js";
import type { AgentState, Json } from "../state.js";
import { deliver, inputsOf } from "./fixtures.js";

/** Decides a message that needs no lock that was not given. */
export function decided(
  state: AgentState,
  message: MailboxMessage,
  options: { inputs?: Inputs; place?: Parameters<typeof deliver>[2] } = {},
): Decided {
  const delivery: Delivery = deliver(state, message, options.place);
  const decision = decide(state, delivery, options.inputs ?? inputsOf());
  invariant(decision.kind === "decided", "no further lock is needed", { decision });
  return decision;
}

/** The rows of one table. */
export const rowsOf = (decision: Decided, table: Row["table"]): Json[] =>
  decision.rows.flatMap((row) => (row.table === table ? [row.row] : []));

export const effectsOf = <Kind extends Effect["kind"]>(
  decision: Decided,
  kind: Kind,
): Extract<Effect, { kind: Kind }>[] =>
  decision.effects.filter(
    (effect): effect is Extract<Effect, { kind: Kind }> => effect.kind === kind,
  );
