/** The commands that show what there is: companies, agents, issues, runs. They read the HTTP API alone. */
import type { Command } from "commander";
import type { Row } from "../api.js";
import type { Context } from "../context.js";
import { usageFailure } from "../failure.js";
import { ago, formatTable, orDash, paintStatus } from "../output.js";
import { agentsOf, companiesFor, resolveAgent, resolveCompany, resolveRun } from "../resolve.js";
import { details, runsTable, shortId } from "../run-view.js";
import type { Action } from "../action.js";
import { registerAgentTest } from "./agent-test.js";

/** Statuses that a run can have; `--status` names one. */
const runStatuses = ["queued", "running", "succeeded", "failed", "cancelled", "timed_out"];
/** The API's own upper bound of a page. */
const limitMax = 1_000;

export function registerLists(program: Command, action: Action): void {
  program
    .command("companies")
    .description("list the companies")
    .action(action(({ context }) => listCompanies(context)));
  registerAgents(program, action);
  program
    .command("issues")
    .description("list the issues of a company, with who holds them")
    .option("--status <status>", "only issues with this status")
    .action(action<{ status?: string }>(({ context, options }) => listIssues(context, options)));
  registerRuns(program, action);
}

function registerAgents(program: Command, action: Action): void {
  const agents = program
    .command("agents")
    .description("list the agents, show or create one")
    .action(action(({ context }) => listAgents(context)));
  agents
    .command("show <agent>")
    .description("everything about one agent (id, beginning of an id, or name)")
    .action(
      action(async ({ context, args }) =>
        show(context, await resolveAgent(context.api, args[0]!, context.options.company)),
      ),
    );
  registerAgentTest(agents, action);
  agents
    .command("create <name>")
    .description("create an agent that runs a program")
    .requiredOption("--command <program>", "the program to run")
    .option("--arg <text...>", "its arguments")
    .option("--cwd <folder>", "where it runs")
    .option("--interval <seconds>", "wake it by timer every so many seconds")
    .addHelpText(
      "after",
      '\nExample:\n  reveille agents create Greeter --command node --arg -e --arg "console.log(1)"',
    )
    .action(
      action<CreateOptions>(({ context, options, args }) => create(context, args[0]!, options)),
    );
}

function registerRuns(program: Command, action: Action): void {
  const runs = program
    .command("runs")
    .description("list runs, newest first, or show one")
    .option("--agent <agent>", "only runs of this agent (id, beginning of an id, or name)")
    .option("--status <status>", `only runs with this status (${runStatuses.join(", ")})`)
    .option("--limit <n>", "at most so many", "20")
    .addHelpText(
      "after",
      `
Examples:
  reveille runs --agent Builder --limit 5
  reveille runs --status running
  reveille runs show 3f2a81c0
  reveille runs --json | jq -r '.[] | [.id, .status] | @tsv'`,
    )
    .action(action<RunsOptions>(({ context, options }) => listRuns(context, options)));
  runs
    .command("show <run>")
    .description("everything about one run, its events included")
    .action(action(({ context, args }) => showRun(context, args[0]!)));
}

async function listCompanies({ api, output }: Context): Promise<void> {
  const companies = await api.list("/companies");
  output.document(companies);
  output.line(
    formatTable(
      ["COMPANY", "NAME", "PREFIX", "STATUS"],
      companies.map((row) => [
        orDash(row["id"]),
        orDash(row["name"]),
        orDash(row["issuePrefix"]),
        paintStatus(output.paint, orDash(row["status"])),
      ]),
    ),
  );
}

async function listAgents({ api, output, options }: Context): Promise<void> {
  const agents = await agentsOf(api, options.company);
  output.document(agents);
  const nowMs = Date.now();
  output.line(
    formatTable(
      ["AGENT", "NAME", "STATUS", "ADAPTER", "LAST HEARTBEAT", "COMPANY"],
      agents.map((row) => [
        shortId(row["id"]),
        orDash(row["name"]),
        paintStatus(output.paint, orDash(row["status"])),
        orDash(row["adapterType"]),
        ago(row["lastHeartbeatAt"], nowMs),
        shortId(row["companyId"]),
      ]),
    ),
  );
}

async function listIssues(context: Context, options: { status?: string }): Promise<void> {
  const { api, output } = context;
  const companies = await companiesFor(api, context.options.company);
  const lists = await Promise.all(
    companies.map((row) => api.list(`/companies/${String(row["id"])}/issues`)),
  );
  const issues = lists
    .flat()
    .filter((row) => options.status === undefined || row["status"] === options.status);
  output.document(issues);
  if (output.json) return;
  const names = await agentNames(context);
  output.line(
    formatTable(
      ["ISSUE", "STATUS", "ASSIGNEE", "HELD BY RUN", "TITLE"],
      issues.map((row) => [
        orDash(row["identifier"] ?? shortId(row["id"])),
        paintStatus(output.paint, orDash(row["status"])),
        names.get(String(row["assigneeAgentId"])) ?? "-",
        shortId(row["executionRunId"]),
        orDash(row["title"]),
      ]),
    ),
  );
}

interface RunsOptions {
  agent?: string;
  status?: string;
  limit: string;
}

async function listRuns(context: Context, options: RunsOptions): Promise<void> {
  const { api, output } = context;
  const limit = Number(options.limit);
  if (!Number.isInteger(limit) || limit < 1 || limit > limitMax)
    throw usageFailure(`--limit must be a whole number from 1 to ${limitMax}`);
  if (options.status !== undefined && !runStatuses.includes(options.status))
    throw usageFailure(`--status must be one of ${runStatuses.join(", ")}`);
  const agent = options.agent
    ? await resolveAgent(api, options.agent, context.options.company)
    : undefined;
  const companies = agent
    ? [{ id: agent["companyId"] }]
    : await companiesFor(api, context.options.company);
  // A status is filtered here: the API knows agent and limit only.
  const page = options.status === undefined ? limit : limitMax;
  const query = `limit=${page}${agent ? `&agentId=${String(agent["id"])}` : ""}`;
  const lists = await Promise.all(
    companies.map((row) => api.list(`/companies/${String(row.id)}/heartbeat-runs?${query}`)),
  );
  const runs = lists
    .flat()
    .filter((row) => options.status === undefined || row["status"] === options.status)
    .toSorted((a, b) => String(b["createdAt"]).localeCompare(String(a["createdAt"])))
    .slice(0, limit);
  output.document(runs);
  if (output.json) return;
  output.line(runsTable(runs, await agentNames(context), output.paint, Date.now()));
}

async function showRun(context: Context, wanted: string): Promise<void> {
  const run = await resolveRun(context.api, wanted, context.options.company);
  const events = await context.api.list(`/heartbeat-runs/${String(run["id"])}/events?limit=1000`);
  context.output.document({ ...run, events });
  context.output.line(details(run));
  context.output.line();
  context.output.line(
    formatTable(
      ["SEQ", "TIME", "TYPE", "LEVEL", "MESSAGE"],
      events.map((row) => [
        orDash(row["seq"]),
        orDash(row["createdAt"]),
        orDash(row["eventType"]),
        orDash(row["level"]),
        orDash(row["message"]),
      ]),
    ),
  );
}

interface CreateOptions {
  command: string;
  arg?: string[];
  cwd?: string;
  interval?: string;
}

async function create(context: Context, name: string, options: CreateOptions): Promise<void> {
  const intervalSec = options.interval === undefined ? undefined : Number(options.interval);
  if (intervalSec !== undefined && !(Number.isInteger(intervalSec) && intervalSec > 0))
    throw usageFailure("--interval must be a whole number of seconds, 1 or more");
  const company = await resolveCompany(context.api, context.options.company);
  const agent = await context.api.post(`/companies/${String(company["id"])}/agents`, {
    name,
    adapterType: "process",
    adapterConfig: {
      command: options.command,
      ...(options.arg ? { args: options.arg } : {}),
      ...(options.cwd ? { cwd: options.cwd } : {}),
    },
    ...(intervalSec ? { runtimeConfig: { heartbeat: { enabled: true, intervalSec } } } : {}),
  });
  context.output.document(agent);
  context.output.line(`agent ${orDash(agent["name"])} created: ${orDash(agent["id"])}`);
}

async function show({ api, output }: Context, row: Row): Promise<void> {
  // The list's row may be a short one; the agent's own route has everything.
  const full = (await api.get(`/agents/${String(row["id"])}`)) as Row;
  output.document(full);
  output.line(details(full));
}

async function agentNames({ api, options }: Context): Promise<Map<string, string>> {
  const agents = await agentsOf(api, options.company);
  return new Map(agents.map((row) => [String(row["id"]), orDash(row["name"])]));
}
