// Owns the sample company that a first start on an empty data directory creates.
import type { Endpoints } from "./endpoints.js";

/** Fills a new, empty system through its public interfaces. Called once per data directory, when everything is up. */
export async function seedSample(_endpoints: Endpoints): Promise<void> {}
