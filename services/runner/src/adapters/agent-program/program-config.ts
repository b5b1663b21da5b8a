/**
 * The part of the configuration that all programs for agents have, by the names that Paperclip gives its
 * fields, and what follows from it for one run. Says which field is wrong, starts nothing.
 */
import { statSync } from "node:fs";
import { isAbsolute } from "node:path";
import { z } from "zod";
import type { AdapterContext, Json } from "../../adapter.js";

/** Far above what a program has, far below what the kernel takes. */
const argsMax = 256;
const argCharsMax = 32 * 1024;
const templateCharsMax = 256 * 1024;

const absolutePath = z
  .string()
  .refine((path) => path === "" || isAbsolute(path), "must be an absolute path");
/** A value after an option: it must not look like one. */
export const optionValue = z
  .string()
  .max(200)
  .regex(/^(?!-)[^\0\n]*$/, "must be one line that does not begin with a dash");
const template = z.string().max(templateCharsMax);
const args = z.array(z.string().max(argCharsMax)).max(argsMax);

/** `reserved`: options that the adapter sets itself, because it depends on what they do. */
export const programFields = (command: string, reserved: readonly string[]) => ({
  command: z
    .string()
    .max(4_096)
    .nullish()
    .describe(`A name in PATH, or a path; default ${command}`),
  cwd: absolutePath
    .nullish()
    .describe("Where it works when the run has no workspace but the agent's own folder"),
  model: optionValue.nullish().describe("Default: the program's own"),
  promptTemplate: template
    .nullish()
    .describe(
      "What it is told; {{agent.name}}, {{runId}}, {{context.x}} and their kind are filled in",
    ),
  bootstrapPromptTemplate: template
    .nullish()
    .describe("What it is told instead in a session that begins"),
  instructionsFilePath: absolutePath
    .nullish()
    .describe("A file with standing instructions, on the runner's machine"),
  extraArgs: withoutReserved(args, reserved)
    .nullish()
    .describe("Further options, passed on as they are, before the adapter's own"),
  args: withoutReserved(args, reserved).nullish().describe("The same as extraArgs"),
});

const withoutReserved = (list: typeof args, reserved: readonly string[]) =>
  list.superRefine((given, context) => {
    for (const [index, arg] of given.entries())
      if (reserved.includes(arg.split("=", 1)[0]!))
        context.addIssue({
          code: "custom",
          path: [index],
          message: `${arg.split("=", 1)[0]} is set by the adapter`,
        });
  });

/** The first thing wrong with a configuration, with its field's name. */
export function issueText(error: z.ZodError): string {
  const [issue] = error.issues;
  return `${["adapterConfig", ...(issue?.path ?? [])].join(".")}: ${issue?.message}`;
}

const isFolder = (path: string): boolean =>
  statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;

/** Where the program works: the run's workspace; the configured folder where there is only the agent's own. */
export function workingFolder(
  { workspace }: Pick<AdapterContext, "workspace">,
  { cwd }: { cwd?: string | null | undefined },
): { ok: true; cwd: string } | { ok: false; message: string } {
  if (workspace.source !== "agent_home" || !cwd) return { ok: true, cwd: workspace.cwd };
  return isFolder(cwd)
    ? { ok: true, cwd }
    : { ok: false, message: `adapterConfig.cwd: the folder ${cwd} does not exist on this runner` };
}

/** Variables of the program that nobody has set: ours, where the run has none of the name. */
export function defaultVariables(
  { env }: Pick<AdapterContext, "env">,
  defaults: Readonly<Record<string, string>>,
): Record<string, string> {
  return Object.fromEntries(Object.entries(defaults).filter(([name]) => env[name] === undefined));
}

/** Is a variable set that is not blank? In an environment, or among the configuration's bindings. */
export const hasVariable = (env: Readonly<Json>, names: readonly string[]): boolean =>
  names.some((name) => {
    const value = env[name];
    return typeof value === "string" ? value.trim() !== "" : value !== undefined && value !== null;
  });
