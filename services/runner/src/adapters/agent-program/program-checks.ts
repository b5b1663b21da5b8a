/**
 * Would an agent's program work here? Is it there, which version, is somebody signed in, does its folder
 * exist. Asks the program for its version and changes nothing; tells no value of a variable.
 */
import { execFile } from "node:child_process";
import { statSync } from "node:fs";
import type { EnvironmentCheck, Json, TestContext } from "../../adapter.js";
import { findCommand } from "../../command-path.js";

export interface ProgramToCheck {
  /** First part of the checks' codes, and for people. */
  program: string;
  defaultCommand: string;
  /** The version that its adapter was written against. */
  knownVersion: string;
  /** How to get it, one sentence. */
  installHint: string;
  /** Says whether somebody is signed in; null when that cannot be known. */
  signedIn: (env: Readonly<Record<string, string>>, bindings: Readonly<Json>) => boolean | null;
  signInHint: string;
}

/** A cold start of either program takes less than a second on an idle machine. */
const versionWithinMs = 5_000;

export async function checkProgram(
  { config, env, signal }: TestContext,
  about: ProgramToCheck,
): Promise<EnvironmentCheck[]> {
  const { program } = about;
  const bindings = asMap(config["env"]);
  const plain = { ...env, ...plainTexts(bindings) };
  const checks = folderChecks(program, config);
  const command = textOr(config["command"], about.defaultCommand);
  const found = findCommand(command, "/", plain["PATH"] ?? "");
  if (!found.ok) {
    checks.push({
      code: `${program}_command_unresolvable`,
      level: "error",
      message: `The program ${command.slice(0, 200)} cannot be executed`,
      detail: found.reason,
      hint: about.installHint,
    });
    return checks;
  }
  checks.push({
    code: `${program}_command_resolvable`,
    level: "info",
    message: "The program can be executed",
    detail: found.path,
  });
  checks.push(await versionCheck(about, found.path, plain, signal));
  checks.push(signedInCheck(about, plain, bindings));
  return checks;
}

async function versionCheck(
  { program, knownVersion }: ProgramToCheck,
  path: string,
  env: Readonly<Record<string, string>>,
  signal: AbortSignal,
): Promise<EnvironmentCheck> {
  const asked = await new Promise<{ text: string; error: Error | null }>((resolve) => {
    const options = { env, signal, timeout: versionWithinMs, maxBuffer: 64 * 1024 };
    execFile(path, ["--version"], options, (error, stdout) =>
      resolve({ text: stdout.trim().slice(0, 200), error }),
    );
  });
  if (asked.error)
    return {
      code: `${program}_version_unknown`,
      level: "error",
      message: "The program does not tell its version",
      detail: asked.error.message.slice(0, 500),
      hint: "Start it by hand where the runner is",
    };
  return {
    code: `${program}_version`,
    level: "info",
    message: `Version: ${asked.text || "(none)"}`,
    detail: `The adapter was tested with ${knownVersion}`,
  };
}

function signedInCheck(
  { program, signedIn, signInHint }: ProgramToCheck,
  env: Readonly<Record<string, string>>,
  bindings: Readonly<Json>,
): EnvironmentCheck {
  const known = signedIn(env, bindings);
  if (known === true)
    return {
      code: `${program}_signed_in`,
      level: "info",
      message: "It has a key, or is signed in",
    };
  return {
    code: `${program}_auth_required`,
    level: "warn",
    message: known === null ? "Whether it is signed in is not known" : "Nobody is signed in",
    hint: signInHint,
  };
}

function folderChecks(program: string, config: Readonly<Json>): EnvironmentCheck[] {
  const checks: EnvironmentCheck[] = [];
  const look = (field: string, is: "isDirectory" | "isFile", what: string): void => {
    const path = textOr(config[field], "");
    if (path === "") return;
    const there = statSync(path, { throwIfNoEntry: false })?.[is]() ?? false;
    if (there) return;
    checks.push({
      code: `${program}_${field === "cwd" ? "cwd" : "instructions"}_invalid`,
      level: "error",
      message: `adapterConfig.${field}: the ${what} ${path.slice(0, 500)} does not exist on this runner`,
    });
  };
  look("cwd", "isDirectory", "folder");
  look("instructionsFilePath", "isFile", "file");
  return checks;
}

const textOr = (value: unknown, otherwise: string): string =>
  typeof value === "string" && value.trim() !== "" ? value : otherwise;
const asMap = (value: unknown): Readonly<Json> =>
  typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Json) : {};
const plainTexts = (bindings: Readonly<Json>): Record<string, string> =>
  Object.fromEntries(
    Object.entries(bindings).filter(
      (entry): entry is [string, string] => typeof entry[1] === "string",
    ),
  );
