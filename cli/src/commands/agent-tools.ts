/** `reveille my ...` and `reveille mcp`: what an agent does from inside its run, as commands and as tools of a model. */
import type { Command } from "commander";
import { serveMcp } from "../agent-tools/mcp-server.js";
import { ownRun } from "../agent-tools/tool.js";
import { agentTools, toolNamed } from "../agent-tools/tools.js";
import type { Action } from "../action.js";
import type { Context } from "../context.js";
import { exitCodes, usageFailure } from "../failure.js";
import type { ExitCode } from "../failure.js";

const examples = `
A runner sets what these need: REVEILLE_API_URL, REVEILLE_API_KEY (the run's token) and the ids.

Examples:
  reveille my task
  reveille my comment "Done: see branch fix-7"
  reveille my ask Reviewer "Is the change in branch fix-7 right?" --wait 120
  reveille my finish "Fixed and reviewed" --result '{"branch":"fix-7"}'`;

export function registerAgentTools(program: Command, action: Action, version: string): void {
  const my = program
    .command("my")
    .description("inside a run: its task, comments, help of other agents, its result")
    .addHelpText("after", examples);
  registerWork(my, action);
  registerHelp(my, action);
  registerResult(my, action);
  program
    .command("mcp")
    .description("inside a run: the same as tools of a model (Model Context Protocol over stdio)")
    .action(
      action(async ({ context }) =>
        serveMcp({
          tools: agentTools,
          run: ownRun(context.api),
          version,
          input: process.stdin,
          write: (line) => void process.stdout.write(line),
        }),
      ),
    );
}

function registerWork(my: Command, action: Action): void {
  my.command("task")
    .description("why this run was started, and its issue")
    .action(action(({ context }) => callTool(context, "get_task", {})));
  my.command("comments [issue]")
    .description("comments on its issue, or another one; the oldest first")
    .option("--limit <n>", "the last so many", "20")
    .action(
      action<{ limit: string }>(({ context, options, args }) =>
        callTool(context, "list_comments", { issue: args[0], limit: Number(options.limit) }),
      ),
    );
  my.command("comment <text>")
    .description("write a comment on its issue")
    .option("--issue <issue>", "on another one")
    .action(
      action<{ issue?: string }>(({ context, options, args }) =>
        callTool(context, "comment", { body: args[0], issue: options.issue }),
      ),
    );
}

function registerHelp(my: Command, action: Action): void {
  my.command("agents")
    .description("whom one could ask")
    .action(action(({ context }) => callTool(context, "list_agents", {})));
  my.command("ask <agent> <message>")
    .description("ask another agent for help; it knows only the message")
    .option("--issue <issue>", "an issue that it should read")
    .option("--wait <seconds>", "wait for the answer, at most 120", "0")
    .action(
      action<{ issue?: string; wait: string }>(({ context, options, args }) => {
        const [agent, message] = args;
        const waitSec = Number(options.wait);
        return callTool(context, "ask_agent", { agent, message, issue: options.issue, waitSec });
      }),
    );
  my.command("answer <question>")
    .description("the answer to a question that was asked before")
    .option("--wait <seconds>", "wait for it, at most 120", "0")
    .action(
      action<{ wait: string }>(({ context, options, args }) =>
        callTool(context, "get_answer", { question: args[0], waitSec: Number(options.wait) }),
      ),
    );
}

function registerResult(my: Command, action: Action): void {
  my.command("progress <message>")
    .description("say how far the run is")
    .action(
      action(({ context, args }) => callTool(context, "report_progress", { message: args[0] })),
    );
  my.command("finish <summary>")
    .description("the last word on this run")
    .option("--result <json>", "its result, a JSON object")
    .option("--failed <why>", "the task could not be done")
    .action(
      action<{ result?: string; failed?: string }>(({ context, options, args }) => {
        const { failed, result } = options;
        const input = { summary: args[0], failed, result: result && readJson(result) };
        return callTool(context, "finish", input);
      }),
    );
}

/** Its answer for people is JSON as well: whoever reads it is a model or a script. */
async function callTool(context: Context, name: string, input: object): Promise<ExitCode> {
  const given = Object.entries(input).filter(([, value]) => value !== undefined);
  const answer = await toolNamed(name).call(ownRun(context.api), Object.fromEntries(given));
  context.output.document(answer);
  context.output.line(JSON.stringify(answer, null, 2));
  return exitCodes.ok;
}

function readJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw usageFailure("--result must be JSON");
  }
}
