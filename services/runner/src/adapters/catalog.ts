/** The adapters that this runner has, by type. */
import type { Adapter } from "./adapter.js";
import { noopAdapter } from "./noop.js";
import { processAdapter } from "./process.js";

const adapters: readonly Adapter[] = [processAdapter, noopAdapter];
const byType = new Map(adapters.map((adapter) => [adapter.type, adapter]));

export const findAdapter = (type: string): Adapter | undefined => byType.get(type);
/** For messages. */
export const adapterTypes = adapters.map((adapter) => adapter.type);
