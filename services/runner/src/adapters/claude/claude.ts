/** The adapter `claude_local`: Claude Code on the runner's machine, one process a run. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { defineAdapter } from "../../adapter.js";
import type { AdapterContext } from "../../adapter.js";
import { failedResult } from "../../core/outcome.js";
import { checkProgram } from "../agent-program/program-checks.js";
import {
  defaultVariables,
  hasVariable,
  issueText,
  optionValue,
  programFields,
  workingFolder,
} from "../agent-program/program-config.js";
import { defaultPromptTemplate, promptValues, renderTemplate } from "../agent-program/prompt.js";
import { runProgram } from "../agent-program/run-program.js";
import { readClaudeStream } from "./claude-stream.js";

/** The reference's. */
const graceSec = 20;
/** Options on which reading and resuming depend. */
const reserved = [
  "-p",
  "--print",
  "--output-format",
  "--input-format",
  "--verbose",
  "-r",
  "--resume",
  "-c",
  "--continue",
  "--session-id",
  "--fork-session",
];

const configSchema = z.looseObject({
  ...programFields("claude", reserved),
  effort: optionValue.nullish().describe("low, medium, high, …: what the model supports"),
  maxTurnsPerRun: z.number().int().min(0).max(100_000).nullish().describe("0: no limit"),
  maxBudgetUsd: z.number().min(0).max(1e6).nullish().describe("Of one run; 0: no limit"),
  dangerouslySkipPermissions: z
    .boolean()
    .nullish()
    .describe("It may do everything without being asked; a run has nobody to answer"),
});
type Config = z.infer<typeof configSchema>;

/**
 * Its default of ten tries lasts minutes, also for a key that is refused; what then still fails is for the
 * agent's retry policy. Four are about 8 s.
 */
const variables = { CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: "1", CLAUDE_CODE_MAX_RETRIES: "4" };
const keyNames = ["ANTHROPIC_API_KEY"];
const tokenNames = [
  ...keyNames,
  "ANTHROPIC_AUTH_TOKEN",
  "CLAUDE_CODE_OAUTH_TOKEN",
  "CLAUDE_CODE_USE_BEDROCK",
  "CLAUDE_CODE_USE_VERTEX",
];

export const claudeAdapter = defineAdapter({
  type: "claude_local",
  label: "Claude Code",
  starts: "processes",
  graceSec,
  configSchema,
  models: [
    { id: "opus", label: "Opus, the newest" },
    { id: "sonnet", label: "Sonnet, the newest" },
    { id: "haiku", label: "Haiku, the newest" },
  ],
  configurationDoc:
    "Runs `claude` with the prompt on its standard input, resumes the session of the task, and reads " +
    "usage, cost, model and result from its events. Sign in where the runner is, or set ANTHROPIC_API_KEY.",
  test: (context) =>
    checkProgram(context, {
      program: "claude",
      defaultCommand: "claude",
      knownVersion: "2.1.330",
      installHint:
        "npm install -g @anthropic-ai/claude-code where this pool's runners are, or set adapterConfig.command",
      signedIn: (env, bindings) =>
        hasVariable({ ...env, ...bindings }, tokenNames) || hasCredentials(env),
      signInHint:
        "Set ANTHROPIC_API_KEY (a secret) in adapterConfig.env, or run `claude` and /login where the runner is",
    }),
  execute: async (context) => {
    const read = configSchema.safeParse(context.config);
    if (!read.success) return failedResult(issueText(read.error));
    const config = read.data;
    const folder = workingFolder(context, config);
    if (!folder.ok) return failedResult(folder.message);
    const values = promptValues(context);
    const template = config.promptTemplate || defaultPromptTemplate;
    return runProgram(context, {
      program: "claude",
      provider: "anthropic",
      command: config.command || "claude",
      cwd: folder.cwd,
      env: { ...defaultVariables(context, variables), ...asRoot(context, config) },
      args: (sessionId) => claudeArgs(config, sessionId),
      prompt: (resumed) =>
        renderTemplate(resumed ? template : config.bootstrapPromptTemplate || template, values),
      read: readClaudeStream,
      model: config.model || null,
      billing: hasVariable(context.env, keyNames) ? "api" : "subscription",
    });
  },
});

/** The command line after the program's name. */
export function claudeArgs(config: Config, sessionId: string | null): string[] {
  const { model, effort, maxTurnsPerRun, maxBudgetUsd, instructionsFilePath } = config;
  return [
    "--print",
    "--output-format",
    "stream-json",
    "--verbose",
    ...(sessionId === null ? [] : ["--resume", sessionId]),
    ...(config.dangerouslySkipPermissions ? ["--dangerously-skip-permissions"] : []),
    ...(model ? ["--model", model] : []),
    ...(effort ? ["--effort", effort] : []),
    ...(maxTurnsPerRun ? ["--max-turns", String(maxTurnsPerRun)] : []),
    ...(maxBudgetUsd ? ["--max-budget-usd", String(maxBudgetUsd)] : []),
    ...(instructionsFilePath ? ["--append-system-prompt-file", instructionsFilePath] : []),
    ...(config.extraArgs ?? config.args ?? []),
  ];
}

/** As root it refuses to skip permissions, unless it is told that it is in a sandbox. */
const asRoot = (context: AdapterContext, config: Config): Record<string, string> =>
  config.dangerouslySkipPermissions && process.getuid?.() === 0
    ? defaultVariables(context, { IS_SANDBOX: "1" })
    : {};

function hasCredentials(env: Readonly<Record<string, string>>): boolean {
  const folder = env["CLAUDE_CONFIG_DIR"] ?? (env["HOME"] ? join(env["HOME"], ".claude") : null);
  return folder !== null && existsSync(join(folder, ".credentials.json"));
}
