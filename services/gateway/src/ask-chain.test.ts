import { expect, test } from "vitest";
import { askDepthMax, askFault, waitingFor } from "./ask-chain.js";

const agent = (id: string) => ({ id, name: id.toUpperCase() });

test("an agent may ask another, as deep as the limit, and no deeper", () => {
  expect(askFault([], agent("a"), agent("b"))).toBeNull();
  const waiting = Array.from({ length: askDepthMax }, (_, at) => `w${at}`);
  expect(askFault(waiting.slice(1), agent("a"), agent("b"))).toBeNull();
  expect(askFault(waiting, agent("a"), agent("b"))).toMatchObject({ code: "ask_too_deep" });
});

test("nobody asks himself, or somebody who waits for him", () => {
  expect(askFault([], agent("a"), agent("a"))).toMatchObject({ code: "ask_cycle" });
  const fault = askFault(["b", "c"], agent("a"), agent("b"));
  expect(fault).toMatchObject({ code: "ask_cycle", message: expect.stringContaining("B waits") });
});

test("a context tells who waits; what is none tells nobody", () => {
  const ask = { runId: "r", agentId: "a", agentName: "A", message: "m", issueId: null };
  expect(waitingFor({ ask: { ...ask, chain: ["x", "a"] } })).toEqual(["x", "a"]);
  for (const context of [null, {}, { ask: "x" }, { ask: { chain: ["x"] } }])
    expect(waitingFor(context)).toEqual([]);
});
