/** `reveille agents test`: would a run of this agent work, and with `--hello`: does one. */
import type { Command } from "commander";
import type { Action } from "../action.js";
import type { Row } from "../api.js";
import type { Context } from "../context.js";
import { exitCodes } from "../failure.js";
import type { ExitCode } from "../failure.js";
import { waitForRun } from "../follow-run.js";
import { orDash } from "../output.js";
import { resolveAgent } from "../resolve.js";
import { runOutcome } from "../run-view.js";

interface TestOptions {
  hello?: boolean;
  project?: string;
}

export function registerAgentTest(agents: Command, action: Action): void {
  agents
    .command("test <agent>")
    .description(
      "ask a runner whether a run of this agent would work there, and how to mend what would not",
    )
    .option("--project <id>", "look at this project's workspaces, not at its newest issue's")
    .option("--hello", "then wake it once, and see how that run ends (it may cost something)")
    .action(
      action<TestOptions>(({ context, options, args }) => testAgent(context, args[0]!, options)),
    );
}

async function testAgent(
  context: Context,
  wanted: string,
  { hello, project }: TestOptions,
): Promise<ExitCode> {
  const { api, output, options } = context;
  const agent = await resolveAgent(api, wanted, options.company);
  const body = project === undefined ? {} : { projectId: project };
  const test = await api.post(`/agents/${String(agent["id"])}/test-environment`, body);
  const checks = [...(test["checks"] as Row[])];
  if (hello) {
    if (test["status"] === "fail") checks.push(notTried);
    else checks.push(await sayHello(context, agent));
  }
  const failed = checks.some(({ level }) => level === "error");
  const status = failed ? "fail" : test["status"];
  output.document({ ...test, status, checks });
  for (const check of checks) print(context, check);
  return failed ? exitCodes.failed : exitCodes.ok;
}

const notTried: Row = {
  code: "hello_not_tried",
  level: "warn",
  message: "No run was tried, because it would fail",
  hint: "Mend the errors first",
};

async function sayHello(context: Context, agent: Row): Promise<Row> {
  const run = await context.api.post(`/agents/${String(agent["id"])}/wakeup`, {
    reason: "environment_test",
  });
  const runId = run["id"];
  if (typeof runId !== "string")
    return {
      code: "hello_not_run",
      level: "error",
      message: `Waking it made no run: ${orDash(run["reason"] ?? run["status"])}`,
      hint: "See `reveille queue` for what it waits for, and the agent's runtimeConfig.heartbeat",
    };
  const ended = await waitForRun(context, { companyId: String(agent["companyId"]), runId });
  return ended["status"] === "succeeded"
    ? { code: "hello_succeeded", level: "info", message: `Run ${runId} succeeded` }
    : {
        code: "hello_failed",
        level: "error",
        message: `Run ${runId}: ${runOutcome(ended, context.output.paint, Date.now())}`,
        hint: `reveille logs ${runId} shows what it printed, reveille runs show ${runId} its events`,
      };
}

function print({ output }: Context, check: Row): void {
  const { paint } = output;
  const level = String(check["level"]);
  const word = { info: paint.good("ok  "), warn: paint.warn("warn") }[level] ?? paint.bad("FAIL");
  const detail = check["detail"] ? ` (${orDash(check["detail"])})` : "";
  output.line(`${word}  ${String(check["message"])}${detail}`);
  if (check["hint"] && level !== "info") output.line(`      ${orDash(check["hint"])}`);
}
