/** New configuration of an agent: what is absent stays; a changed timetable starts anew from now. */
import type { Configure } from "@reveille/shared/protocol/commands";
import { sameSchedule } from "@reveille/shared/protocol/schedule";
import { admitQueued } from "./admit.js";
import { enforceBudget } from "./budget.js";
import type { Decision } from "./decision.js";
import type { Draft } from "./draft.js";
import { setTimer } from "./on-timer.js";
import { nextTimerAfter, readPolicy } from "./policy.js";
import { keepAdapterType } from "./session.js";

export function onConfigure(draft: Draft, command: Configure): Decision {
  const { agent, policy: before } = draft.state;
  const runtimeConfig = command.runtimeConfig ?? agent.runtimeConfig;
  const policy = readPolicy(runtimeConfig);
  draft.changeState({ policy });
  const changes = {
    name: command.name ?? agent.name,
    adapterType: command.adapterType ?? agent.adapterType,
    adapterConfig: command.adapterConfig ?? agent.adapterConfig,
    runtimeConfig,
    budgetMonthlyCents: command.budgetMonthlyCents ?? agent.budgetMonthlyCents,
  };
  // Before the type changes: runs under way end under the one they were sent with.
  if (changes.adapterType !== agent.adapterType) keepAdapterType(draft);
  draft.changeAgent(changes);
  draft.row({
    table: "agents",
    op: "update",
    row: {
      id: agent.id,
      ...changes,
      // No decision looks at these: they are written as they came.
      ...(command.profile ? { profile: command.profile } : {}),
    },
  });
  const isNew = !sameSchedule(policy.timetable.schedule, before.timetable.schedule);
  if (isNew && agent.status !== "terminated")
    setTimer(draft, nextTimerAfter(policy, draft.delivery.atMs));
  if (command.budgetMonthlyCents !== undefined) enforceBudget(draft);
  if (!admitQueued(draft)) return { kind: "needs", locks: draft.needed };
  return draft.done();
}
