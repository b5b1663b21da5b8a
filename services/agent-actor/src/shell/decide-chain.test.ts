// The messages of one agent, in order: what came before counts for what comes after, and one that breaks is kept and blocks nothing.
import { expect, test } from "vitest";
import type { MailboxMessage } from "../core/delivery.js";
import { agentOf, deliver, inputsOf, wakeOf } from "../core/testing/fixtures.js";
import { decideChain } from "./decide-chain.js";
import type { ChainContext } from "./decide-chain.js";
import { RowSet } from "./row-set.js";

const contextOf = (): ChainContext => ({
  facts: {
    verdicts: new Map(),
    keyOwners: new Map(),
    issues: new Map(),
    taskSessions: new Map(),
    knownCosts: new Set(),
  },
  companies: { facts: () => inputsOf().company } as unknown as ChainContext["companies"],
  locks: {} as ChainContext["locks"],
  heldElsewhere: new Set(),
  rows: new RowSet(),
  effects: [],
  notes: [],
  tally: { lock: () => undefined },
  failpoint: () => undefined,
  logger: { error: () => {} } as unknown as ChainContext["logger"],
});
const state = agentOf();
const chain = (context: ChainContext, messages: readonly MailboxMessage[]) =>
  decideChain(
    context,
    state,
    messages.map((message, sequence) => deliver(state, message, { sequence: sequence + 1 })),
  );
const wake = (id: string) => wakeOf({ id, payload: { taskKey: id } });

test("a message that breaks what decides is kept as a dead letter, and the next one is decided [Q2] [B20]", async () => {
  const context = contextOf();
  const broken = { kind: "run.finished", body: null } as unknown as MailboxMessage;
  const after = await chain(context, [wake("one"), broken, wake("two")]);
  expect(after?.runs.map(({ wakeId, phase }) => [wakeId, phase])).toEqual([
    ["one", "dispatched"],
    ["two", "queued"],
  ]);
  expect(context.effects.filter(({ kind }) => kind === "dispatch")).toHaveLength(1);
  expect(context.rows.tables.deadLetters).toMatchObject([
    { agentId: state.agent.id, kind: "run.finished", stage: "decide", streamSeq: 2 },
  ]);
});

test("a wake that comes twice in one batch is decided once [Q2]", async () => {
  const context = contextOf();
  const after = await chain(context, [wake("one"), wake("one")]);
  expect(after?.runs).toHaveLength(1);
});
