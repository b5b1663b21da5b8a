/**
 * One step of a random history as plain data, and its effect on a world. A step that finds nothing to
 * act on does nothing, so that any list of steps is a history and shrinks well.
 */
import type { Execution } from "@reveille/shared/protocol/execution";
import type { Effect } from "../decision.js";
import type { MailboxMessage } from "../delivery.js";
import { terminalWakes } from "./store.js";
import type { World } from "./world.js";
import { idOf, wakeOf } from "./fixtures.js";

export const stepKinds = [
  "wake",
  "deliver",
  "deliver-all",
  "crash-before-commit",
  "perform",
  "perform-all",
  "perform-and-keep",
  "lose-effects",
  "take",
  "take-twice",
  "progress",
  "finish",
  "fail",
  "time-out",
  "retry-due",
  "lose",
  "vanish",
  "repeat",
  "repeat-any",
  "cancel",
  "pause",
  "resume",
  "cancel-all",
  "delete",
  "company",
  "report",
  "report-final",
  "cost",
  "reset-session",
  "reconcile",
  "wipe-locks",
] as const;
export interface Step {
  kind: (typeof stepKinds)[number];
  /** Choices, each modulo what there is to choose from. */
  a: number;
  b: number;
}

const pick = <T>(list: readonly T[], at: number): T | undefined => list[at % (list.length || 1)];

export function apply(world: World, { kind, a, b }: Step, at: number): void {
  const box = pick(world.boxes, a)!;
  const agentId = box.state.agent.id;
  const running = world.runners.claims.filter(({ phase }) => phase === "running");
  const claim = pick(running, b);
  switch (kind) {
    case "wake":
      return wake(world, agentId, b, at);
    case "deliver":
      return world.step(box);
    case "deliver-all":
      while (box.waiting.length > 0) world.step(box);
      return;
    case "crash-before-commit":
      return world.step(box, true);
    case "perform":
      return perform(world, pick(world.effects, b), false);
    case "perform-all":
      for (const effect of world.effects.splice(0)) world.perform(effect);
      return;
    case "perform-and-keep":
      return perform(world, pick(world.effects, b), true);
    case "lose-effects":
      return void (world.effects = []);
    case "take":
    case "take-twice": {
      const execution = pick([...world.runners.stored.values()], b);
      return execution && world.runners.take(execution, kind === "take-twice");
    }
    case "progress":
    case "finish":
    case "fail":
    case "time-out":
    case "lose":
    case "vanish":
    case "retry-due":
      return world.fireRetry(box);
    case "report":
    case "report-final":
      return claim && act(world, claim, kind, at);
    case "repeat": {
      const silent = world.runners.claims.filter(({ unanswered }) => unanswered !== null);
      const sender = pick(silent, b);
      return sender && world.runners.again(sender);
    }
    case "repeat-any": {
      const message = pick(world.sent, b);
      return message && world.send(message.agentId, message.message);
    }
    case "cancel":
    case "pause":
    case "resume":
    case "cancel-all":
    case "delete":
    case "cost":
    case "reset-session":
      return command(world, box, kind, b);
    case "company":
      return world.setCompany(b % 3 === 0 ? "paused" : "active");
    case "reconcile":
      return world.reconcile(box);
    case "wipe-locks":
      return world.locks.wipe();
  }
}

/** What people ask for. */
function command(
  world: World,
  { state }: World["boxes"][number],
  kind: "cancel" | "pause" | "resume" | "cancel-all" | "delete" | "cost" | "reset-session",
  b: number,
): void {
  const agentId = state.agent.id;
  switch (kind) {
    case "cancel": {
      // Every fourth time any run, over or not.
      const live = b % 4 === 0 ? [...world.store.runs.keys()] : state.runs.map(({ id }) => id);
      const runId = pick(live, b);
      const body = { runId: runId ?? "", reason: "enough", actorType: "system" } as const;
      return runId === undefined ? undefined : world.send(agentId, { kind: "cancel", body });
    }
    case "delete":
      // Rarely: of a deleted agent nothing more is to be learnt.
      if (b % 8 > 0) return;
      return world.send(agentId, { kind, body: { actorType: "system" } });
    case "pause":
    case "resume":
    case "cancel-all":
      return world.send(agentId, { kind, body: { actorType: "system" } });
    case "cost":
      return world.send(agentId, costOf(`cost ${b % 5}`));
    case "reset-session": {
      const taskKey = b % 2 === 0 ? null : `task ${b % 3}`;
      return world.send(agentId, { kind, body: { taskKey, actorType: "user" } });
    }
  }
}

/** What a process, or whoever is behind it, does. */
function act(
  world: World,
  claim: World["runners"]["claims"][number],
  kind: "progress" | "finish" | "fail" | "time-out" | "lose" | "vanish" | "report" | "report-final",
  at: number,
): void {
  const { runners } = world;
  switch (kind) {
    case "progress":
      return claim.unanswered === null ? runners.progress(claim) : undefined;
    case "finish":
    case "fail":
    case "time-out":
      return runners.finish(claim, kind === "fail" ? 1 : 0, kind === "time-out");
    case "lose":
      return runners.lose(claim);
    case "vanish":
      return runners.vanish(claim);
    case "report":
    case "report-final":
      return report(world, claim.execution, { final: kind === "report-final", at });
  }
}

/** Its attempt may be over for the actor, which has heard that it is lost. */
function report(
  world: World,
  { agentId, runId, attempt }: Execution,
  { final, at }: { final: boolean; at: number },
): void {
  const patch = {
    costUsd: 0.002,
    summary: `at ${at}`,
    ...(at % 4 === 0 ? { sessionId: "s" } : {}),
  };
  world.send(agentId, { kind: "run.reported", body: { runId, attempt, final, patch } });
}

/** Half a cent; the same name is the same cost. */
const costOf = (name: string): MailboxMessage => ({
  kind: "cost",
  body: {
    id: idOf(name),
    provider: "p",
    model: "m",
    inputTokens: 1,
    outputTokens: 0,
    cachedInputTokens: 0,
    costMicros: 5_000,
    occurredAt: "2026-01-01T00:00:00Z",
    actorType: "user",
  },
});

/** Half of the wakes work on an issue, some are comments, some repeat an id or a key. */
function wake(world: World, agentId: string, choice: number, at: number): void {
  const issueId = choice % 2 === 0 ? pick(world.issues, choice >> 1) : undefined;
  const taskKey = `task ${choice % 3}`;
  const id = choice % 11 === 0 ? "again" : `wake ${at}`;
  world.send(
    agentId,
    wakeOf({
      id,
      contextSnapshot: {
        ...(issueId ? { issueId } : { taskKey }),
        ...(choice % 5 === 0 ? { commentId: idOf(`comment ${at}`) } : {}),
      },
      ...(choice % 13 === 0 ? { idempotencyKey: "key" } : {}),
    }),
  );
}

function perform(world: World, effect: Effect | undefined, keep: boolean): void {
  if (!effect) return;
  if (!keep) world.effects = world.effects.filter((other) => other !== effect);
  world.perform(effect);
}

/** Rounds until nothing is left to do: each frees at least one place in some queue. */
const roundsMax = 300;

/** Lets everything come to rest: all messages, effects and processes, and the periodic look. */
export function drain(world: World): void {
  world.setCompany("active");
  for (const { state } of world.boxes)
    world.send(state.agent.id, { kind: "resume", body: { actorType: "system" } });
  for (let round = 0; round < roundsMax; round += 1) {
    for (const box of world.boxes) {
      while (box.waiting.length > 0) world.step(box);
      world.reconcile(box);
      world.fireRetry(box);
    }
    for (const effect of world.effects.splice(0)) world.perform(effect);
    for (const execution of world.runners.stored.values()) world.runners.take(execution, false);
    for (const claim of world.runners.claims) {
      if (claim.unanswered) world.runners.again(claim);
      else if (claim.phase === "running") world.runners.finish(claim, 0);
    }
    if (isAtRest(world)) return;
  }
}

/** Nothing lives and every wake has its end. */
export const isAtRest = (world: World): boolean =>
  world.boxes.every(
    ({ state, waiting }) =>
      waiting.length === 0 && state.runs.length === 0 && state.waits.length === 0,
  ) &&
  world.effects.length === 0 &&
  [...world.store.wakes.values()].every((wake) => terminalWakes.has(String(wake["status"])));
