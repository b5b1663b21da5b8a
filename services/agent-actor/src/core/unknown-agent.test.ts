import { expect, test } from "vitest";
import { agentOf, deliver, wakeOf } from "./testing/fixtures.js";
import { cellOf, messages } from "./testing/matrix.js";
import type { MessageName } from "./testing/matrix.js";
import { decideUnknownAgent } from "./unknown-agent.js";

const nobody = agentOf();

test("a wake of nobody is rejected, and whoever asked is told", () => {
  const { verdict, effects } = decideUnknownAgent(
    deliver(nobody, wakeOf(), { replyTo: "_INBOX.a" }),
  );
  expect(verdict).toEqual({ outcome: "rejected", wakeId: "wake-1", reason: "agent_not_found" });
  expect(effects).toMatchObject([{ kind: "reply", subject: "_INBOX.a", verdict }]);
  expect(decideUnknownAgent(deliver(nobody, wakeOf())).effects).toEqual([]);
});

test("a runner hears of nobody's run what it hears of a run that is over; all else is silent", () => {
  for (const name of Object.keys(messages) as MessageName[]) {
    const { effects } = decideUnknownAgent(deliver(nobody, messages[name](nobody)));
    const answers = effects.map((effect) =>
      effect.kind === "answer" ? `“${effect.answer}”` : effect.kind,
    );
    // Nobody waits for an answer to what an agent says of itself.
    const isAnswered = name.startsWith("run.") && !name.startsWith("run.reported");
    expect(answers, name).toEqual(isAnswered ? [cellOf("none", "idle", name)] : []);
  }
});
