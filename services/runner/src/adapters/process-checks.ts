/** Would the adapter `process` work with this configuration here? Looks, and starts nothing. */
import { statSync } from "node:fs";
import { isAbsolute } from "node:path";
import type { EnvironmentCheck, TestContext } from "../adapter.js";
import { findCommand } from "../command-path.js";

export async function checkProcess({ config, env }: TestContext): Promise<EnvironmentCheck[]> {
  const { command, cwd } = config;
  const checks: EnvironmentCheck[] = [];
  const folder = typeof cwd === "string" && cwd !== "" ? cwd : null;
  if (folder !== null) checks.push(folderCheck(folder));
  else
    checks.push({
      code: "process_cwd_default",
      level: "info",
      message: "No working directory is set: the run's workspace is used",
    });
  if (typeof command !== "string" || command.trim() === "") {
    checks.push({
      code: "process_command_missing",
      level: "error",
      message: "Process adapter missing command",
      hint: "Set adapterConfig.command",
    });
    return checks;
  }
  // Any folder that exists will do to find a command by its name.
  const at = folder !== null && isFolder(folder) ? folder : "/";
  if (!command.startsWith("/") && command.includes("/") && folder === null) {
    checks.push({
      code: "process_command_relative",
      level: "warn",
      message: `"${command.slice(0, 200)}" is looked for in the run's workspace`,
      hint: "Set an absolute path, or a working directory",
    });
    return checks;
  }
  const found = findCommand(command, at, pathOf(config["env"]) ?? env["PATH"] ?? "");
  if (found.ok)
    checks.push({
      code: "process_command_resolvable",
      level: "info",
      message: "The command can be executed",
      detail: found.path,
    });
  else
    checks.push({
      code: "process_command_unresolvable",
      level: "error",
      message: "The command cannot be executed",
      detail: found.reason,
      hint: "Install it where this pool's runners are, or set PATH in adapterConfig.env",
    });
  return checks;
}

function folderCheck(folder: string): EnvironmentCheck {
  if (!isAbsolute(folder))
    return {
      code: "process_cwd_invalid",
      level: "error",
      message: "adapterConfig.cwd must be an absolute path",
    };
  return isFolder(folder)
    ? { code: "process_cwd_valid", level: "info", message: `The working directory is ${folder}` }
    : {
        code: "process_cwd_invalid",
        level: "error",
        message: `The working directory ${folder} does not exist on this runner`,
      };
}

const isFolder = (path: string): boolean =>
  statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;

/** `PATH` of the agent's own variables, when it is plain text. */
function pathOf(env: unknown): string | null {
  const path = (env as { PATH?: unknown } | null | undefined)?.PATH;
  return typeof path === "string" ? path : null;
}
