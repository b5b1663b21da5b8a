/**
 * Adapters that come as packages: loads them by name, refuses what breaks the contract, and stands
 * between them and the run: what they answer is checked like anything that crosses a boundary.
 */
import { createRequire } from "node:module";
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { runResultSchema } from "@reveille/shared/protocol/execution";
import { ConfigError } from "@reveille/shared/runtime/config";
import type { Adapter, AdapterContext, AdapterResult } from "../adapter.js";
import { failedResult } from "../core/outcome.js";
import { configFault, shapeFaults } from "./shape.js";

const resultSchema = runResultSchema.partial();
/** JSON characters: with output and excerpts beside them a report stays far below 512 KiB. */
const resultCharsMax = 64 * 1024;
const sessionCharsMax = 16 * 1024;

/**
 * Loads each package, or each module by its path (with `/` or `.` in front), and takes its `default`.
 * @throws ConfigError that names the package and what is wrong with it.
 */
export async function loadAdapters(
  names: readonly string[],
  own: readonly Adapter[],
): Promise<Adapter[]> {
  const taken = new Map(own.map(({ type }) => [type, "this runner"]));
  const loaded: Adapter[] = [];
  for (const name of names) {
    const adapter = await load(name);
    const owner = taken.get(adapter.type);
    if (owner) throw refused(name, `the adapter type ${adapter.type} is taken by ${owner}`);
    taken.set(adapter.type, name);
    loaded.push(checked(adapter));
  }
  return loaded;
}

const refused = (name: string, why: string, cause?: unknown): ConfigError =>
  new ConfigError(`REVEILLE_RUNNER_ADAPTERS: ${name}: ${why}`, { cause });

async function load(name: string): Promise<Adapter> {
  let module: { default?: unknown };
  try {
    module = (await import(specifierOf(name))) as typeof module;
  } catch (error) {
    throw refused(name, `cannot be loaded: ${(error as Error).message}`, error);
  }
  const faults = shapeFaults(module.default);
  if (faults.length > 0) throw refused(name, faults.join("; "));
  return module.default as Adapter;
}

/** Where the runner was started counts first: packages are installed there, the runner may be elsewhere. */
function specifierOf(name: string): string {
  if (name.startsWith(".") || name.startsWith("/")) return pathToFileURL(resolve(name)).href;
  try {
    return pathToFileURL(createRequire(resolve("package.json")).resolve(name)).href;
  } catch {
    // Not there, or for `import` alone: as the runner itself would import it.
    return name;
  }
}

/** The same adapter, whose answers can be relied upon. */
export const checked = (adapter: Adapter): Adapter => ({
  ...adapter,
  ...(adapter.test ? { test: (context) => adapter.test!(context) } : {}),
  execute: (context) => execute(adapter, context),
});

async function execute(adapter: Adapter, context: AdapterContext): Promise<AdapterResult> {
  const fault = configFault(adapter, context.config);
  if (fault) return failedResult(fault);
  const { type } = adapter;
  let answer: unknown;
  try {
    answer = await adapter.execute(context);
  } catch (error) {
    return failedResult(`The adapter ${type} failed: ${textOf(error)}`);
  }
  const read = resultSchema.safeParse(answer);
  if (!read.success) {
    const [issue] = read.error.issues;
    return failedResult(
      `The adapter ${type} answered what is no result: ${issue?.path.join(".")}: ${issue?.message}`,
    );
  }
  // What is there and undefined would stand in the way of a default.
  const answered = Object.entries(read.data).filter(([, value]) => value !== undefined);
  return bounded(Object.fromEntries(answered) as AdapterResult, context);
}

function bounded(result: AdapterResult, context: AdapterContext): AdapterResult {
  const { resultJson, sessionParams } = result;
  const tooLong = (name: string, value: unknown, charsMax: number): boolean => {
    if (value === undefined || value === null || JSON.stringify(value).length <= charsMax)
      return false;
    context.warn(`${name} is longer than ${charsMax} characters and was left out`);
    return true;
  };
  return {
    ...result,
    ...(tooLong("resultJson", resultJson, resultCharsMax) ? { resultJson: null } : {}),
    ...(tooLong("sessionParams", sessionParams, sessionCharsMax) ? { sessionParams: null } : {}),
  };
}

const textOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
