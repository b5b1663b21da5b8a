/**
 * The command line as a whole: its commands and global options, and how an action's end becomes an
 * exit code. Nothing is ever shown as a stack trace.
 */
import { readFileSync } from "node:fs";
import { Command, CommanderError } from "commander";
import { registerAccess } from "./commands/access.js";
import { registerAdministration } from "./commands/administration.js";
import { registerDoctor } from "./commands/doctor.js";
import { registerDeadLetters } from "./commands/dead-letters.js";
import { registerAgentTools } from "./commands/agent-tools.js";
import { registerLists } from "./commands/lists.js";
import { registerNatsCredentials } from "./commands/nats-credentials.js";
import { registerRunsAtWork } from "./commands/runs-at-work.js";
import { registerVerify } from "./commands/verify.js";
import { registerWaiting } from "./commands/waiting.js";
import { registerWake } from "./commands/wake.js";
import type { Action } from "./action.js";
import { createContext } from "./context.js";
import type { GlobalOptions } from "./context.js";
import { CliFailure, exitCodes } from "./failure.js";
import type { ExitCode } from "./failure.js";

const epilogue = `
Where the system is: --api / REVEILLE_API_URL and --nats / NATS_URL, else <data dir>/endpoints.json of a
system on this machine (--data-dir / REVEILLE_DATA_DIR, default .reveille), else the default ports.

Examples:
  reveille up                              start everything on this machine
  reveille wake Archivist --follow         wake an agent and watch it work
  reveille runs --status failed --json     the last failed runs, as JSON
  reveille doctor                          what is wrong, and how to mend it

Exit codes: 0 ok, 1 a run or a check failed, 2 bad usage or input, 3 the system cannot be reached,
4 not found, 5 refused. With --json: one JSON document, or one per line for streams (logs, wake --follow).`;

/** Parses and runs. Resolves to the exit code; never throws. */
export async function run(argv: readonly string[]): Promise<ExitCode> {
  let code: ExitCode = exitCodes.ok;
  const action: Action =
    (handler) =>
    async (...parameters) => {
      // Commander gives: the arguments, the command's options, the command.
      const command = parameters.at(-1) as Command;
      const context = createContext(command.optsWithGlobals<GlobalOptions>());
      try {
        const ended = await handler({
          context,
          options: command.opts() as Parameters<typeof handler>[0]["options"],
          args: parameters.slice(0, -2) as string[],
        });
        code = ended ?? exitCodes.ok;
      } finally {
        await context.close();
      }
    };
  const program = createProgram(action);
  try {
    await program.parseAsync(argv, { from: "user" });
    return code;
  } catch (error) {
    return report(error, argv.includes("--json"));
  }
}

function createProgram(action: Action): Command {
  const program = new Command("reveille")
    .description("Runs fleets of AI agents: wake them, follow them, see what is wrong.")
    .version(version(), "-V, --version")
    .option("--api <url>", "the HTTP API")
    .option("--nats <url>", "the NATS server")
    .option("--company <company>", "id, beginning of an id, name or issue prefix")
    .option("--data-dir <folder>", "data directory of a system on this machine")
    .option("--json", "JSON instead of text")
    .configureHelp({ showGlobalOptions: true })
    .showSuggestionAfterError()
    .exitOverride()
    .addHelpText("after", epilogue);
  registerAdministration(program, action);
  registerAccess(program, action);
  registerDeadLetters(program, action);
  registerLists(program, action);
  registerWake(program, action);
  registerRunsAtWork(program, action);
  registerWaiting(program, action);
  registerAgentTools(program, action, version());
  registerDoctor(program, action);
  registerVerify(program, action);
  registerNatsCredentials(program, action);
  inheritExit(program);
  return program;
}

function version(): string {
  const manifest = readFileSync(new URL("../package.json", import.meta.url), "utf8");
  return (JSON.parse(manifest) as { version: string }).version;
}

/** Commander copies `exitOverride` and the like only to commands made after it, and not to nested ones made elsewhere. */
function inheritExit(command: Command): void {
  for (const inner of command.commands) {
    inner.copyInheritedSettings(command);
    inheritExit(inner);
  }
}

function report(error: unknown, json: boolean): ExitCode {
  if (error instanceof CommanderError)
    // It has printed its message; help and version "fail" with 0.
    return error.exitCode === 0 ? exitCodes.ok : exitCodes.usage;
  const failure =
    error instanceof CliFailure
      ? error
      : new CliFailure(exitCodes.failed, error instanceof Error ? error.message : String(error));
  process.stderr.write(
    json
      ? `${JSON.stringify({ error: failure.message, exitCode: failure.exitCode, ...(failure.hint ? { hint: failure.hint } : {}) })}\n`
      : `reveille: ${failure.message}\n${failure.hint ? `${failure.hint}\n` : ""}`,
  );
  return failure.exitCode;
}
