// Owns what is there before a contract begins: a company with agents, issues, projects and hosts, in both stores. Knows no statement.
import type { Random } from "../simulation/machine/random.js";
import type { Scene } from "./store-operations.js";
import { RowMaker } from "./store-rows.js";
import type { Twin } from "./store-twin.js";

const minuteMs = 60_000;

export async function createScene(twin: Twin, random: Random, partitions: number): Promise<Scene> {
  const cast = {
    companyId: "",
    otherId: "",
    agentIds: [] as string[],
    issueIds: [] as string[],
    projectIds: [] as string[],
    runIds: [],
    wakeIds: [],
    wakeRequestIds: [],
    costIds: [],
    keys: [],
  };
  const rows = new RowMaker(random, cast, Date.now());
  cast.companyId = rows.uuid();
  const company = { id: cast.companyId, name: "One", issue_prefix: "ONE" };
  await twin.insert("companies", { ...company, budget_monthly_cents: 1_000 });
  cast.otherId = rows.uuid();
  await twin.insert("companies", { id: cast.otherId, name: "Two", issue_prefix: "TWO" });
  for (let count = 0; count < 2; count += 1)
    cast.projectIds.push(await addProject(twin, rows, random));
  for (let count = 0; count < 5; count += 1)
    cast.agentIds.push(await addAgent(twin, rows, random, partitions));
  for (let count = 0; count < 5; count += 1) cast.issueIds.push(await addIssue(twin, rows, random));
  await addBystanders(twin, rows);
  const hostIds = [rows.uuid(), rows.uuid(), rows.uuid()];
  return { twin, random, rows, partitions, hostIds, outcomes: new Map() };
}

async function addProject(twin: Twin, rows: RowMaker, random: Random): Promise<string> {
  const { companyId: company_id } = rows.cast;
  const project_id = rows.uuid();
  await twin.insert("projects", { id: project_id, company_id, name: "Project" });
  for (let count = random.below(3); count > 0; count -= 1) {
    const workspace = { id: rows.uuid(), company_id, project_id, name: "Workspace" };
    const created_at = Date.now() - random.below(3) * minuteMs;
    const cwd = random.pick([null, "/somewhere"]);
    await twin.insert("project_workspaces", { ...workspace, cwd, repo_ref: "main", created_at });
  }
  return project_id;
}

async function addAgent(
  twin: Twin,
  rows: RowMaker,
  random: Random,
  partitions: number,
): Promise<string> {
  const id = rows.uuid();
  await twin.insert("agents", {
    id,
    company_id: rows.cast.companyId,
    name: "Agent",
    partition: random.below(partitions),
    adapter_config: rows.json(),
    next_timer_at: random.pick([null, rows.pastMs(), Date.now() + 10 * minuteMs]),
    next_retry_at: random.pick([null, rows.pastMs()]),
  });
  return id;
}

/** Agents that no batch is about: one of the company without a limit, and a deleted one whose timer and month still stand. */
async function addBystanders(twin: Twin, rows: RowMaker): Promise<void> {
  const spend_month = new Date().toISOString().slice(0, 7);
  const agent = { name: "Bystander", partition: 0, spend_month, spent_monthly_micros: 5_000 };
  const timers = { next_timer_at: rows.pastMs(), next_retry_at: rows.pastMs() };
  const { companyId, otherId } = rows.cast;
  await twin.insert("agents", { ...agent, id: rows.uuid(), company_id: otherId });
  const deleted = { company_id: companyId, deleted_at: rows.pastMs() };
  await twin.insert("agents", { ...agent, ...timers, ...deleted, id: rows.uuid() });
}

async function addIssue(twin: Twin, rows: RowMaker, random: Random): Promise<string> {
  const { cast } = rows;
  const id = rows.uuid();
  await twin.insert("issues", {
    id,
    company_id: cast.companyId,
    title: "Issue",
    project_id: random.pick([null, ...cast.projectIds]),
    assignee_agent_id: random.pick([null, ...cast.agentIds]),
    assignee_adapter_overrides: random.pick([null, rows.json()]),
  });
  return id;
}
