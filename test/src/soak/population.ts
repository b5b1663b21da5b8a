// Owns who lives in a soak: companies, their agents with different manners, and issues that they share. Made over HTTP, as anybody would.
// Knows nothing of what happens to them.
import type { Random } from "../simulation/machine/random.js";
import type { AgentManner, AgentPrograms } from "./agent-program.js";

export interface PopulationSize {
  companies: number;
  agents: number;
  issues: number;
}
/** `gated`: paused and resumed. `altered`: configured anew. `timed`: woken by its own timer. The others are named by how they run. */
export type Role = "narrow" | "wide" | "failing" | "costly" | "gated" | "timed" | "altered";

export interface SoakAgent {
  companyId: string;
  agentId: string;
  name: string;
  role: Role;
}
export interface SoakIssue {
  companyId: string;
  issueId: string;
}
export interface Population {
  companies: string[];
  agents: SoakAgent[];
  issues: SoakIssue[];
}
/** One question to the API below `/api`. @throws Error when it is not answered with a status below 300. */
export type Ask = (method: string, path: string, body?: object) => Promise<Record<string, unknown>>;

/** Of twenty agents. The first ten have one of almost everything. */
const roles: readonly Role[] = [
  ...(["narrow", "wide", "costly", "timed", "failing", "gated", "altered"] as const),
  ...(["narrow", "wide", "narrow", "narrow", "narrow", "wide", "narrow", "costly"] as const),
  ...(["narrow", "failing", "narrow", "wide", "gated"] as const),
];

const manners: Readonly<Record<Role, AgentManner>> = {
  narrow: { exclusive: true, failPercent: 0, costs: false, longestMs: 5_000 },
  wide: { exclusive: false, failPercent: 0, costs: false, longestMs: 5_000 },
  failing: { exclusive: true, failPercent: 30, costs: false, longestMs: 1_000 },
  costly: { exclusive: true, failPercent: 0, costs: true, longestMs: 2_000 },
  gated: { exclusive: true, failPercent: 0, costs: false, longestMs: 2_000 },
  timed: { exclusive: true, failPercent: 0, costs: false, longestMs: 1_000 },
  altered: { exclusive: true, failPercent: 0, costs: false, longestMs: 1_000 },
};
/** Of a wide agent. */
const wideSlots = 3;

function runtimeConfigOf(role: Role, random: Random): object {
  switch (role) {
    case "wide":
      return { heartbeat: { maxConcurrentRuns: wideSlots } };
    case "timed":
      return { heartbeat: { intervalSec: random.between(5, 15) } };
    case "failing":
      return { retry: { max: 2, on: ["adapter_failed"], baseSec: 1, jitter: 0 } };
    case "narrow":
    case "costly":
    case "gated":
    case "altered":
      return {};
  }
}

/** Makes all of it; half of the issues have an assignee from the start, and wake it. */
export async function populate(
  ask: Ask,
  size: PopulationSize,
  programs: AgentPrograms,
  random: Random,
): Promise<Population> {
  const companies: string[] = [];
  for (let n = 0; n < size.companies; n += 1)
    companies.push(String((await ask("POST", "/companies", { name: `Soak ${n + 1}` }))["id"]));
  const agents: SoakAgent[] = [];
  for (let n = 0; n < size.agents; n += 1) {
    const role = roles[n % roles.length]!;
    const companyId = companies[n % companies.length]!;
    const name = `worker${n}`;
    const made = await ask("POST", `/companies/${companyId}/agents`, {
      name,
      adapterType: "process",
      adapterConfig: programs.config(manners[role]),
      runtimeConfig: runtimeConfigOf(role, random),
    });
    agents.push({ companyId, agentId: String(made["id"]), name, role });
  }
  const issues: SoakIssue[] = [];
  for (let n = 0; n < size.issues; n += 1) {
    const companyId = companies[n % companies.length]!;
    const assignee = random.pick(agents.filter((agent) => agent.companyId === companyId));
    const made = await ask("POST", `/companies/${companyId}/issues`, {
      title: `Issue ${n + 1}`,
      status: "todo",
      ...(n % 2 === 0 ? { assigneeAgentId: assignee.agentId } : {}),
    });
    issues.push({ companyId, issueId: String(made["id"]) });
  }
  return { companies, agents, issues };
}
