/**
 * The state machine as a matrix: every phase of a run and every status of its agent against every kind
 * of message. A cell is what `decide` does, in a few words. The agent has one slot, the run works on an
 * issue, and the issue's lock is there for whoever asks.
 */
import { decide } from "../decide.js";
import type { Decided } from "../decision.js";
import type { MailboxMessage } from "../delivery.js";
import type { AgentState, AgentStatus, RunPhase } from "../state.js";
import {
  agentOf,
  claimOf,
  deliver,
  finishOf,
  idOf,
  inputsOf,
  reportOf,
  runOf,
  startMs,
  wakeOf,
} from "./fixtures.js";

export const phases = [
  "none",
  "queued",
  "waiting",
  "dispatched",
  "running",
  "cancelling",
] as const satisfies readonly (RunPhase | "none")[];
export type Phase = (typeof phases)[number];

/** These decide alike, but that `resume` takes an agent out of `error`. */
export const invokable = ["active", "idle", "running", "error"] as const;
export const gated = ["paused", "pending_approval", "terminated"] as const;
/** The gate has ended every other run: what has no process at once, what has one is being ended. */
export const gatedPhases = ["none", "cancelling"] as const satisfies readonly Phase[];

const issueId = idOf("issue");
const run = (phase: RunPhase) => runOf(phase, { issueId, taskKey: issueId });
const by = { actorType: "system" } as const;

/** Every kind, some in several forms. `run` is the run in question, or what it was when there is none. */
export const messages = {
  "wake, same issue": () => wakeOf({ contextSnapshot: { issueId } }),
  "wake, comment": () => wakeOf({ contextSnapshot: { issueId, commentId: idOf("comment") } }),
  "wake, other task": () => wakeOf({ contextSnapshot: { taskKey: "other" } }),
  timer: () => ({
    kind: "timer",
    body: { id: "timer:1", dueAtMs: startMs + 60_000, timer: "heartbeat" },
  }),
  grant: (state) => ({
    kind: "grant",
    body: { issueId, runId: idOf("run"), wakeId: state.runs[0]?.wakeRequestId ?? idOf("gone") },
  }),
  "run.started": (state) => started(state, "one"),
  "run.started, other claim": (state) => started(state, "two"),
  "run.progress": (state) => ({
    kind: "run.progress",
    body: { ...claimed(state), progressId: 1, events: [] },
  }),
  "run.finished": (state) => ({
    kind: "run.finished",
    body: { ...claimed(state), ...finishOf() },
  }),
  "run.finished, other claim": (state) => ({
    kind: "run.finished",
    body: { ...claimed(state), ...finishOf(), claimId: claimOf("two").claimId },
  }),
  "run.lost": (state) => ({ kind: "run.lost", body: { ...claimed(state), reason: "deadline" } }),
  "run.reported": (state) => reported(state, false),
  "run.reported, final": (state) => reported(state, true),
  expired: (state) => ({ kind: "expired", body: claimed(state) }),
  cancel: () => ({ kind: "cancel", body: { runId: idOf("run"), reason: "enough", ...by } }),
  pause: () => ({ kind: "pause", body: by }),
  resume: () => ({ kind: "resume", body: by }),
  terminate: () => ({ kind: "terminate", body: by }),
  "retry timer": () => ({
    kind: "timer",
    body: { id: "retry:1", dueAtMs: startMs + 60_000, timer: "retry" },
  }),
  delete: () => ({ kind: "delete", body: by }),
  approve: () => ({ kind: "approve", body: by }),
  "cancel-all": () => ({ kind: "cancel-all", body: by }),
  admit: () => ({ kind: "admit", body: by }),
  configure: () => ({ kind: "configure", body: { name: "renamed", ...by } }),
  cost: () => costOf(1),
  "cost, the agent's limit": () => costOf(limitMicros),
  "reset-session": () => ({ kind: "reset-session", body: by }),
} as const satisfies Record<string, (state: AgentState) => MailboxMessage>;
export type MessageName = keyof typeof messages;

const claimed = (state: AgentState) => {
  const live = state.runs[0] ?? run("running");
  return { ...reportOf(live), attempt: Math.max(1, live.attempt) };
};
const started = (state: AgentState, claim: string): MailboxMessage => ({
  kind: "run.started",
  body: { ...claimed(state), ...claimOf(claim) },
});

const reported = (state: AgentState, final: boolean): MailboxMessage => {
  const { runId, attempt } = claimed(state);
  return { kind: "run.reported", body: { runId, attempt, final, patch: { summary: "done" } } };
};
/** The agent's limit: a dollar. */
const limitMicros = 1_000_000;
const costOf = (costMicros: number): MailboxMessage => ({
  kind: "cost",
  body: {
    id: idOf("cost"),
    provider: "p",
    model: "m",
    inputTokens: 0,
    outputTokens: 0,
    cachedInputTokens: 0,
    costMicros,
    occurredAt: "2026-01-01T00:00:00Z",
    ...by,
  },
});

/** What the message does, as a cell of the matrix. */
export function cellOf(phase: Phase, status: AgentStatus, name: MessageName): string {
  const bare = agentOf({ status, heartbeat: { intervalSec: 60 } });
  const agent = { ...bare.agent, budgetMonthlyCents: limitMicros / 10_000 };
  const state = { ...bare, agent, runs: phase === "none" ? [] : [run(phase)] };
  const delivery = deliver(state, messages[name](state), { atMs: startMs + 61_000 });
  const locks: Record<string, "held"> = {};
  for (;;) {
    const decision = decide(state, delivery, inputsOf({ issues: [issueId], locks }));
    if (decision.kind === "decided") return describe(state, decision);
    for (const { runId } of decision.locks) locks[runId] = "held";
  }
}

function describe(before: AgentState, { state, rows, effects, verdict, outcome }: Decided): string {
  const phase = before.runs[0]?.phase;
  const now = state.runs.find(({ id }) => id === idOf("run"));
  const end = rows.find(({ table }) => table === "runEnds")?.row as { status?: string } | undefined;
  const added = state.runs.filter(({ id }) => id !== idOf("run")).map((other) => other.phase);
  const words = [
    ...(verdict ? [verdict.reason ?? verdict.outcome] : []),
    ...(phase !== undefined && end ? [String(end.status)] : []),
    ...(now && now.phase !== phase ? [now.phase] : []),
    ...(now && before.runs[0] && now.attempt > Math.max(1, before.runs[0].attempt)
      ? ["again"]
      : []),
    ...added.map((other) => `new run ${other}`),
    ...(state.agent.deletedAtMs === null ? [] : ["the agent is gone"]),
    ...effects.flatMap((effect) =>
      effect.kind === "answer"
        ? [`“${effect.answer}”`]
        : effect.kind === "control" && effect.order === "finish"
          ? ["finish"]
          : effect.kind === "control" || effect.kind === "withdraw" || effect.kind === "release"
            ? [effect.kind]
            : [],
    ),
  ];
  if (words.length > 0) return words.join(", ");
  return outcome === "applied" ? "noted" : outcome;
}
