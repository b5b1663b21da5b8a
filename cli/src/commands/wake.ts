/** `reveille wake`: asks for a run of an agent, over NATS or HTTP, says what became of it, and follows it. */
import { readFileSync } from "node:fs";
import type { Command } from "commander";
import { isUuid, runIdOfWake } from "@reveille/shared/protocol/ids";
import { publicWakeSchema, wakeOutcomes } from "@reveille/shared/protocol/wake";
import type { PublicWake } from "@reveille/shared/protocol/wake";
import type { Row } from "../api.js";
import type { Context } from "../context.js";
import { exitCodeOfRun, exitCodes, usageFailure } from "../failure.js";
import type { ExitCode } from "../failure.js";
import { followRun } from "../follow-run.js";
import { paintStatus } from "../output.js";
import type { Action } from "../action.js";
import { resolveAgent, resolveIssue } from "../resolve.js";
import { runOutcome, shortId } from "../run-view.js";
import { publishWake } from "../wake-publish.js";
import type { WakeAnswer, WakeTarget } from "../wake-publish.js";

interface WakeOptions {
  reason?: string;
  payload?: string;
  issue?: string;
  task?: string;
  idempotencyKey?: string;
  id?: string;
  follow?: boolean;
  http?: boolean;
}

const examples = `
Examples:
  reveille wake Archivist
  reveille wake Builder --reason nightly --follow
  reveille wake Builder --issue ABC-7 --payload '{"branch":"main"}'
  reveille wake Builder --payload @wake.json --idempotency-key deploy-42
  reveille wake 3f2a81c0 --json | jq -r .run.id

Exit codes: 0 the wake was taken (with --follow: the run succeeded), 1 the followed run did not succeed,
2 bad input, 3 nothing answers, 4 no such agent, 5 skipped or rejected.`;

export function registerWake(program: Command, action: Action): void {
  program
    .command("wake <agent>")
    .description("wake an agent (id, beginning of an id, or name)")
    .option("--reason <text>", "why, at most 200 characters")
    .option("--payload <json>", "a JSON object; @file reads it from a file, - from standard input")
    .option("--issue <issue>", "the issue to work on (id, beginning of an id, or identifier)")
    .option("--task <key>", "the task's key: wakes for the same task join one run")
    .option("--idempotency-key <key>", "a repeat with this key gets the first run")
    .option(
      "--id <id>",
      "the wake's own id: a repeat of it writes nothing and gets the same verdict",
    )
    .option("--follow", "print the log live and end with the run's outcome")
    .option("--http", "through the HTTP API instead of NATS")
    .addHelpText("after", examples)
    .action(action<WakeOptions>(({ context, options, args }) => wake(context, args[0]!, options)));
}

async function wake(context: Context, wanted: string, options: WakeOptions): Promise<ExitCode> {
  const { output } = context;
  const target = await findTarget(context, wanted);
  const request = await readWake(context, options);
  const answer = options.http
    ? await postWake(context, target, request)
    : await publishWake(await context.bus(), context.subjects, target, request);
  if (options.follow) output.record({ type: "verdict", ...answer });
  else output.document(answer);
  output.line(describe(answer, context));

  const code = exitCodeOf(answer);
  if (!options.follow || code !== exitCodes.ok) return code;
  const runId = runOf(answer, target);
  if (runId === undefined) {
    output.note("it joined a wake that waits for its issue: there is no run to follow yet");
    return code;
  }
  const run = await followRun(context, { companyId: target.companyId, runId });
  output.record({ type: "run", run });
  output.line(runOutcome(run, output.paint, Date.now()));
  return exitCodeOfRun(run["status"]);
}

/** A deferred or undecided wake has no run yet; when it gets one, the run's id follows from the wake's. */
function runOf(answer: WakeAnswer, target: WakeTarget): string | undefined {
  if (answer.run) return String(answer.run["id"]);
  return answer.outcome === "coalesced" || answer.wakeId === undefined
    ? undefined
    : runIdOfWake(target.companyId, target.agentId, answer.wakeId);
}

/** With full ids of both no API is needed: a machine that reaches NATS alone can wake too. */
async function findTarget(context: Context, wanted: string): Promise<WakeTarget> {
  const { company } = context.options;
  const agentId = wanted.toLowerCase();
  if (company !== undefined && isUuid(company.toLowerCase()) && isUuid(agentId))
    return { companyId: company.toLowerCase(), agentId };
  const agent = await resolveAgent(context.api, wanted, company);
  return { companyId: String(agent["companyId"]), agentId: String(agent["id"]) };
}

async function readWake(context: Context, options: WakeOptions): Promise<PublicWake> {
  const payload = readPayload(options.payload);
  if (options.issue !== undefined) {
    const wanted = options.issue.toLowerCase();
    const issue = isUuid(wanted)
      ? { id: wanted }
      : await resolveIssue(context.api, options.issue, context.options.company);
    payload["issueId"] = issue.id;
  }
  if (options.task !== undefined) payload["taskKey"] = options.task;
  const read = publicWakeSchema.safeParse({
    ...(options.id === undefined ? {} : { id: options.id }),
    ...(options.reason === undefined ? {} : { reason: options.reason }),
    ...(options.idempotencyKey === undefined ? {} : { idempotencyKey: options.idempotencyKey }),
    ...(Object.keys(payload).length > 0 ? { payload } : {}),
  });
  if (read.success) return read.data;
  const wrong = read.error.issues.map((issue) => `${issue.path.join(".")}: ${issue.message}`);
  throw usageFailure(`the wake is not right: ${wrong.join("; ")}`);
}

function readPayload(given: string | undefined): Row {
  if (given === undefined) return {};
  let text = given;
  try {
    if (given === "-") text = readFileSync(0, "utf8");
    else if (given.startsWith("@")) text = readFileSync(given.slice(1), "utf8");
  } catch (error) {
    throw usageFailure(`--payload cannot be read: ${(error as Error).message}`);
  }
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Row;
  } catch (error) {
    throw usageFailure(`--payload is not valid JSON: ${(error as Error).message}`);
  }
  throw usageFailure("--payload must be a JSON object");
}

/** The HTTP answer in the words of a verdict. */
async function postWake(
  context: Context,
  target: WakeTarget,
  wake: PublicWake,
): Promise<WakeAnswer> {
  const { id, ...body } = wake;
  if (id !== undefined)
    throw usageFailure("--id goes with NATS; with --http use --idempotency-key");
  const row = await context.api.post(`/agents/${target.agentId}/wakeup`, body);
  const wakeId = typeof row["wakeId"] === "string" ? { wakeId: row["wakeId"] } : {};
  if (typeof row["id"] === "string") return { outcome: "queued", ...wakeId, run: row };
  const outcome = wakeOutcomes.find((known) => known === row["outcome"]);
  const reason = typeof row["reason"] === "string" ? { reason: row["reason"] } : {};
  if (outcome) return { outcome, ...wakeId, ...reason };
  return { outcome: "accepted", ...wakeId };
}

function exitCodeOf(answer: WakeAnswer): ExitCode {
  if (answer.outcome === "skipped") return exitCodes.refused;
  if (answer.outcome !== "rejected") return exitCodes.ok;
  if (answer.reason === "agent_not_found") return exitCodes.notFound;
  return answer.reason === "invalid" ? exitCodes.usage : exitCodes.refused;
}

function describe(answer: WakeAnswer, { output }: Context): string {
  const outcome = paintStatus(output.paint, answer.outcome);
  if (answer.outcome === "accepted")
    return `${outcome}: stored, not decided yet (wake ${answer.wakeId ?? "?"})`;
  const run = answer.run
    ? ` run ${shortId(answer.run["id"])} (${String(answer.run["status"])})`
    : "";
  const reason = answer.reason ? `: ${answer.reason}` : "";
  const details = answer.details ? ` ${JSON.stringify(answer.details)}` : "";
  return `${outcome}${run}${reason}${details}`;
}
