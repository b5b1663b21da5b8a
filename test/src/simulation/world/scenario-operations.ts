// Owns what people, programs and gateways ask of a simulated fleet, as data drawn from chance. Knows nothing of how it is published.
import type { Random } from "../machine/random.js";
import type { Scenario } from "./scenario.js";

export type Fleet = Pick<
  Scenario,
  "seed" | "hosts" | "runners" | "companies" | "agents" | "issues" | "partitions"
>;

interface At {
  atMs: number;
  /** Index of the publisher. */
  by: number;
  /** Which of all operations this is: part of every id that it makes. */
  number: number;
}
export interface WakeOperation extends At {
  kind: "wake";
  agent: number;
  /** Of a gateway (`request`), or of anybody (`wake`). */
  trusted: boolean;
  /** Absent: the publisher gives none. Small numbers come again. */
  id: string | null;
  key: string | null;
  issue: number | null;
  task: string | null;
  comment: boolean;
  onDemand: boolean;
}
export type Operation =
  | WakeOperation
  | (At & {
      kind: "pause" | "resume" | "cancel-all" | "admit" | "reset-session" | "delete" | "terminate";
      agent: number;
    })
  /** Of whatever run the publisher then finds; `dice` chooses. */
  | (At & { kind: "cancel" | "report"; dice: number })
  | (At & { kind: "cost"; agent: number; cost: number })
  | (At & { kind: "configure"; agent: number; maxConcurrentRuns: number })
  | (At & { kind: "company"; company: number; status: "active" | "paused" })
  /** Bytes that nobody can read, or a wake that is none. */
  | (At & { kind: "garbage"; agent: number; dice: number })
  /** An issue is removed, as a gateway does. */
  | (At & { kind: "remove-issue"; issue: number });

const publishers = 2;

export function operationsOf(random: Random, fleet: Fleet, untilMs: number): Operation[] {
  const count = random.between(12, 36);
  // Bursts: half of all that happens, happens at a few moments.
  const moments = Array.from({ length: 3 }, () => random.below(untilMs));
  const operations = Array.from({ length: count }, (_, number) => {
    const atMs = random.chance(0.5)
      ? random.pick(moments) + random.below(30)
      : random.below(untilMs);
    return operationOf(random, fleet, { atMs, by: random.below(publishers), number });
  });
  // Who closes a gate opens it again: a company that stays closed shows nothing more.
  const opened = operations.flatMap((operation): Operation[] => {
    const later = { ...operation, atMs: operation.atMs + random.between(100, 2_500) };
    if (operation.kind === "pause") return [{ ...later, kind: "resume", agent: operation.agent }];
    if (operation.kind !== "company" || operation.status === "active") return [];
    return [{ ...later, kind: "company", company: operation.company, status: "active" }];
  });
  return [...operations, ...opened].sort((a, b) => a.atMs - b.atMs || a.number - b.number);
}

function operationOf(random: Random, fleet: Fleet, at: At): Operation {
  const agent = random.below(fleet.agents.length);
  const dice = random.below(100);
  if (dice < 66) return wakeOf(random, fleet, { ...at, agent });
  if (dice < 74) return { ...at, kind: "cancel", dice: random.below(1_000) };
  if (dice < 78) return { ...at, kind: "report", dice: random.below(1_000) };
  if (dice < 82) return { ...at, kind: "cost", agent, cost: random.below(4) };
  if (dice < 85) return { ...at, kind: "pause", agent };
  if (dice < 89) return { ...at, kind: "resume", agent };
  if (dice < 91)
    return { ...at, kind: random.pick(["cancel-all", "admit", "reset-session"]), agent };
  if (dice < 93)
    return { ...at, kind: "configure", agent, maxConcurrentRuns: random.between(1, 3) };
  if (dice < 96) {
    const company = random.below(fleet.companies.length);
    return { ...at, kind: "company", company, status: random.pick(["active", "paused"]) };
  }
  if (dice < 98) return { ...at, kind: "garbage", agent, dice: random.below(4) };
  if (dice < 99) return { ...at, kind: random.pick(["delete", "terminate"]), agent };
  return { ...at, kind: "remove-issue", issue: random.below(fleet.issues.length) };
}

function wakeOf(random: Random, fleet: Fleet, at: At & { agent: number }): WakeOperation {
  const { companyId } = fleet.agents[at.agent]!;
  // Now and then another company's issue: such a wake is skipped.
  const issues = fleet.issues.flatMap((issue, index) =>
    issue.companyId === companyId || random.chance(0.1) ? [index] : [],
  );
  const issue = issues.length > 0 && random.chance(0.6) ? random.pick(issues) : null;
  const id = random.chance(0.3) ? null : random.chance(0.1) ? "again" : `wake-${at.number}`;
  return {
    ...at,
    kind: "wake",
    trusted: random.chance(0.7),
    id,
    key: random.chance(0.12) ? `key-${random.below(2)}` : null,
    issue,
    task: issue === null ? `task-${random.below(4)}` : null,
    // Whoever says a wake again says the same: another comment under the same id would be lost by right.
    comment: id !== "again" && random.chance(0.25),
    onDemand: random.chance(0.3),
  };
}
