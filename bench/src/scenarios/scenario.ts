/** What a scenario is, and what all of them do alike: servers, floors before and after, product in between. */
import { startProduct, type Product } from "../product.js";
import { startBenchServers, type BenchServers } from "../servers.js";
import type { Findings } from "../figure.js";

export interface ScenarioOptions {
  /** Fewer samples, floors once: for a look, not for a record. */
  quick: boolean;
  say: (line: string) => void;
  /** Told the versions of the servers. */
  onServers: (versions: BenchServers["versions"]) => void;
}
export type Scenario = (options: ScenarioOptions) => Promise<Findings>;

/** Runs `use` on fresh servers and stops them, whatever happened. */
export async function withServers<T>(
  options: ScenarioOptions,
  use: (servers: BenchServers) => Promise<T>,
  settings: { logStatements?: boolean } = {},
): Promise<T> {
  const servers = await startBenchServers(settings);
  options.onServers(servers.versions);
  try {
    return await use(servers);
  } finally {
    await servers.stop();
  }
}

/** Runs `use` on the product and stops it, whatever happened. */
export async function withProduct<T>(
  servers: BenchServers,
  slots: number,
  use: (product: Product) => Promise<T>,
): Promise<T> {
  const product = await startProduct(servers, slots);
  try {
    return await use(product);
  } finally {
    await product.stop();
  }
}

/**
 * The floor before the product and, unless quick, after it again: what changed meanwhile on the machine shows,
 * and the stricter of the two counts.
 */
export async function floorAround<Floor, Result>(
  options: ScenarioOptions,
  floor: () => Promise<Floor>,
  product: () => Promise<Result>,
): Promise<{ floors: Floor[]; result: Result }> {
  options.say("floor");
  const floors = [await floor()];
  options.say("product");
  const result = await product();
  if (!options.quick) {
    options.say("floor again");
    floors.push(await floor());
  }
  return { floors, result };
}
