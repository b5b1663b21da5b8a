// Owns replaying a Dockerfile's COPY and RUN steps into folders, one a stage, as far as they work on /app: what comes out is the part of
// an image that is ours. Steps that name absolute paths change the base system and are left out. Starts nothing of what it lays out.
import { execFile } from "node:child_process";
import { cpSync, existsSync, mkdirSync, readFileSync, readdirSync, symlinkSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { promisify } from "node:util";
import type { BuildContext } from "./context.js";
import { copied } from "./dockerfile.js";
import type { Dockerfile, Stage, Step } from "./dockerfile.js";

const execute = promisify(execFile);

/** Of one RUN: an install without a cache on two busy cores takes one to two minutes. */
const stepLimitMs = 300_000;
/** What a replayed step may begin with; anything else has to be thought about first. */
const harmless = ["npm", "npx", "node", "find", "rm"];

export interface LayoutOptions {
  file: Dockerfile;
  context: BuildContext;
  /** An existing, empty folder. */
  into: string;
  say?: (line: string) => void;
}

/** Lays out these stages and what they need. Resolves to the root folder of each. @throws Error naming the line that failed. */
export async function layOut(
  { file, context, into, say = () => undefined }: LayoutOptions,
  names: readonly string[],
): Promise<Map<string, string>> {
  const begun = new Map<string, Promise<string>>();
  /** Stages that do not need each other are made side by side, as BuildKit does. */
  const rootOf = (name: string): Promise<string> => {
    const known = begun.get(name);
    if (known) return known;
    const stage = file.stages.find((one) => one.name === name);
    if (!stage) throw new Error(`there is no stage ${name}`);
    const made = makeStage(stage);
    begun.set(name, made);
    return made;
  };
  const isStage = (name: string): boolean => file.stages.some((stage) => stage.name === name);
  const makeStage = async (stage: Stage): Promise<string> => {
    const root = join(into, stage.name);
    mkdirSync(root);
    let workdir = "/";
    if (isStage(stage.from)) {
      await copyTree(await rootOf(stage.from), root);
      workdir = file.stages.filter(({ name }) => name === stage.from).map(workdirOf)[0] ?? "/";
    }
    for (const step of stage.steps) {
      if (step.keyword === "WORKDIR") workdir = join(workdir, step.text);
      mkdirSync(join(root, workdir), { recursive: true });
      try {
        if (step.keyword === "COPY") await copy(step, root, workdir);
        if (step.keyword === "RUN") await run(step, join(root, workdir));
      } catch (error) {
        // Compilers complain on standard output, which is not part of an error's message.
        const { message, stdout = "" } = error as Error & { stdout?: string };
        throw new Error(`Dockerfile:${step.line}: ${message}${stdout}`, { cause: error });
      }
    }
    return root;
  };
  const workdirOf = (stage: Stage): string => {
    const before = file.stages.find(({ name }) => name === stage.from);
    const own = stage.steps.filter(({ keyword }) => keyword === "WORKDIR").at(-1)?.text;
    return own ?? (before ? workdirOf(before) : "/");
  };
  const copy = async (step: Step, root: string, workdir: string): Promise<void> => {
    const { sources, to } = copied(step);
    const from = step.flags["from"];
    const target = to.startsWith("/") ? join(root, to) : join(root, workdir, to);
    const into = to.endsWith("/") || sources.length > 1;
    for (const source of sources)
      if (from === undefined) copyFromContext(context, source, target, into);
      else await copyFromStage(join(await rootOf(from), source), target, into);
  };
  const run = async (step: Step, cwd: string): Promise<void> => {
    if (isOfBaseSystem(step.text))
      return say(`line ${step.line} is the base system's: not replayed`);
    const first = step.text.split(" ")[0]!;
    if (!harmless.includes(first)) throw new Error(`cannot replay ${first}`);
    const beganAt = performance.now();
    if (/^npm ci (?!.*--omit=dev)/.test(step.text)) linkModules(context.root, cwd);
    else await execute("/bin/sh", ["-c", step.text], { cwd, timeout: stepLimitMs, env: tools() });
    say(`line ${step.line}: ${Math.round(performance.now() - beganAt)} ms`);
  };
  const roots = await Promise.all(names.map(rootOf));
  return new Map(names.map((name, at) => [name, roots[at]!]));
}

/** It names absolute paths or installs for everybody: run here, it would change this machine. */
const isOfBaseSystem = (text: string): boolean =>
  /(^|[\s=>'"])\/\w/.test(text) || text.includes("--global");

/** Nothing of the caller's npm or vitest, which speak to what they start through variables. */
const tools = (): NodeJS.ProcessEnv =>
  Object.fromEntries(
    Object.entries(process.env).filter(
      ([name]) => !/^(npm_(?!config_)|NODE_|VITEST|INIT_CWD)/.test(name),
    ),
  );

/** Contents of a folder, links as links. */
async function copyTree(from: string, to: string): Promise<void> {
  mkdirSync(to, { recursive: true });
  await execute("cp", ["-a", `${from}/.`, to]);
}

async function copyFromStage(source: string, target: string, into: boolean): Promise<void> {
  if (!existsSync(source)) throw new Error(`the stage has no ${source}`);
  if (existsSync(`${source}/.`)) return copyTree(source, target);
  copyFile(source, into ? join(target, basename(source)) : target);
}

function copyFromContext(
  context: BuildContext,
  source: string,
  target: string,
  into: boolean,
): void {
  const files = context.files(source);
  if (files.length === 0) throw new Error(`nothing of ${source} is in the build's context`);
  for (const file of files) {
    const below = file === source ? (into ? basename(file) : "") : file.slice(source.length + 1);
    copyFile(join(context.root, file), join(target, below));
  }
}

function copyFile(from: string, to: string): void {
  mkdirSync(dirname(to), { recursive: true });
  cpSync(from, to, { verbatimSymlinks: true });
}

/**
 * In place of an install of all tools: those that this clone has, by the same lock file. Workspaces are the copied ones, or the
 * compiler would look at the clone's.
 */
function linkModules(clone: string, cwd: string): void {
  const [from, to] = [join(clone, "node_modules"), join(cwd, "node_modules")];
  mkdirSync(join(to, "@reveille"), { recursive: true });
  for (const name of readdirSync(from))
    if (name !== "@reveille" && name !== "reveille") symlinkSync(join(from, name), join(to, name));
  symlinkSync("../../shared", join(to, "@reveille/shared"));
  for (const service of readdirSync(join(cwd, "services")))
    symlinkSync(`../../services/${service}`, join(to, "@reveille", service));
  for (const folder of workspacesWithModules(clone)) {
    const nested = join(clone, folder, "node_modules");
    if (existsSync(nested) && existsSync(join(cwd, folder)))
      symlinkSync(nested, join(cwd, folder, "node_modules"));
  }
}

/** Workspaces that need other versions of something than the rest, by the lock file. */
function workspacesWithModules(clone: string): Set<string> {
  const lock = JSON.parse(readFileSync(join(clone, "package-lock.json"), "utf8")) as {
    packages: Record<string, unknown>;
  };
  const nested = Object.keys(lock.packages).filter((path) => !path.startsWith("node_modules/"));
  return new Set(
    nested.flatMap((path) =>
      path.includes("/node_modules/") ? path.split("/node_modules/")[0]! : [],
    ),
  );
}
