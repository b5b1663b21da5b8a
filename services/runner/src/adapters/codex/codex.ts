/** The adapter `codex_local`: Codex on the runner's machine, one process a run. */
import { existsSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { defineAdapter } from "../../adapter.js";
import { failedResult } from "../../core/outcome.js";
import { checkProgram } from "../agent-program/program-checks.js";
import {
  hasVariable,
  issueText,
  optionValue,
  programFields,
  workingFolder,
} from "../agent-program/program-config.js";
import { defaultPromptTemplate, promptValues, renderTemplate } from "../agent-program/prompt.js";
import { runProgram } from "../agent-program/run-program.js";
import { readCodexStream } from "./codex-stream.js";

/** The reference's. */
const graceSec = 20;
/** Options on which reading and resuming depend. */
const reserved = ["--json", "--experimental-json", "--last", "--ephemeral", "--color"];
/** It reads them itself from nowhere: they go before the prompt, and a file of that size is a mistake. */
const instructionsBytesMax = 256 * 1024;
const keyNames = ["OPENAI_API_KEY", "CODEX_API_KEY"];

const configSchema = z.looseObject({
  ...programFields("codex", reserved),
  modelReasoningEffort: optionValue
    .nullish()
    .describe("low, medium, high, …: what the model supports"),
  search: z.boolean().nullish().describe("It may search the web"),
  dangerouslyBypassApprovalsAndSandbox: z
    .boolean()
    .nullish()
    .describe(
      "It may do everything; else its own sandbox holds, read-only unless extraArgs say more",
    ),
});
type Config = z.infer<typeof configSchema>;

export const codexAdapter = defineAdapter({
  type: "codex_local",
  label: "Codex",
  starts: "processes",
  graceSec,
  configSchema,
  models: [
    { id: "gpt-5", label: "gpt-5" },
    { id: "gpt-5-codex", label: "gpt-5-codex" },
  ],
  configurationDoc:
    "Runs `codex exec` with the prompt on its standard input, resumes the thread of the task, and reads " +
    "usage and result from its events. Sign in where the runner is, or set CODEX_API_KEY.",
  test: (context) =>
    checkProgram(context, {
      program: "codex",
      defaultCommand: "codex",
      knownVersion: "0.169.0",
      installHint:
        "npm install -g @openai/codex where this pool's runners are, or set adapterConfig.command",
      // A provider of its own may need no key that has a known name.
      signedIn: (env, bindings) =>
        hasVariable({ ...env, ...bindings }, keyNames) || hasCredentials(env) || null,
      signInHint:
        "Set CODEX_API_KEY (a secret) in adapterConfig.env, or run `codex login` where the runner is",
    }),
  execute: async (context) => {
    const read = configSchema.safeParse(context.config);
    if (!read.success) return failedResult(issueText(read.error));
    const config = read.data;
    const folder = workingFolder(context, config);
    if (!folder.ok) return failedResult(folder.message);
    const instructions = readInstructions(config.instructionsFilePath);
    if (!instructions.ok) return failedResult(instructions.message);
    const values = promptValues(context);
    const template = config.promptTemplate || defaultPromptTemplate;
    return runProgram(context, {
      program: "codex",
      provider: "openai",
      command: config.command || "codex",
      cwd: folder.cwd,
      env: {},
      args: (sessionId) => codexArgs(config, sessionId),
      prompt: (resumed) =>
        instructions.text +
        renderTemplate(resumed ? template : config.bootstrapPromptTemplate || template, values),
      read: readCodexStream,
      model: config.model || null,
      billing: hasVariable(context.env, keyNames) ? "api" : "subscription",
    });
  },
});

/** The command line after the program's name. */
export function codexArgs(config: Config, sessionId: string | null): string[] {
  const { model, modelReasoningEffort, search } = config;
  return [
    ...(search ? ["--search"] : []),
    "exec",
    "--json",
    // The folder of an agent without a project is no repository.
    "--skip-git-repo-check",
    // Both only phone home, and the first delays the end of each run by seconds where it cannot.
    "-c",
    "analytics.enabled=false",
    "-c",
    "check_for_update_on_startup=false",
    ...(config.dangerouslyBypassApprovalsAndSandbox
      ? ["--dangerously-bypass-approvals-and-sandbox"]
      : []),
    ...(model ? ["--model", model] : []),
    ...(modelReasoningEffort
      ? ["-c", `model_reasoning_effort=${JSON.stringify(modelReasoningEffort)}`]
      : []),
    ...(config.extraArgs ?? config.args ?? []),
    ...(sessionId === null ? [] : ["resume", sessionId]),
    // The prompt comes on standard input.
    "-",
  ];
}

function readInstructions(
  path: string | null | undefined,
): { ok: true; text: string } | { ok: false; message: string } {
  if (!path) return { ok: true, text: "" };
  const wrong = (why: string) =>
    ({ ok: false, message: `adapterConfig.instructionsFilePath: ${path} ${why}` }) as const;
  try {
    const stat = statSync(path);
    if (!stat.isFile()) return wrong("is no file");
    if (stat.size > instructionsBytesMax)
      return wrong(`is larger than ${instructionsBytesMax} bytes`);
    return { ok: true, text: `${readFileSync(path, "utf8").trimEnd()}\n\n` };
  } catch (error) {
    return wrong(`cannot be read: ${(error as NodeJS.ErrnoException).code ?? "no reason"}`);
  }
}

function hasCredentials(env: Readonly<Record<string, string>>): boolean {
  const folder = env["CODEX_HOME"] ?? (env["HOME"] ? join(env["HOME"], ".codex") : null);
  return folder !== null && existsSync(join(folder, "auth.json"));
}
