/** The adapters that a runner has, by type: its own, then what was loaded. */
import type { Adapter } from "../adapter.js";
import { claudeAdapter } from "./claude/claude.js";
import { codexAdapter } from "./codex/codex.js";
import { httpAdapter } from "./http.js";
import { noopAdapter } from "./noop.js";
import { processAdapter } from "./process.js";

export interface AdapterCatalog {
  readonly all: readonly Adapter[];
  /** For messages. */
  readonly types: readonly string[];
  find(type: string): Adapter | undefined;
}

/** The runner's own adapters. */
export const ownAdapters = (settings: { httpAllowPrivate: boolean }): readonly Adapter[] => [
  processAdapter,
  httpAdapter(settings.httpAllowPrivate),
  noopAdapter,
  claudeAdapter,
  codexAdapter,
];

/** The later of two with the same type would win: whoever loads adapters refuses that. */
export function createCatalog(adapters: readonly Adapter[]): AdapterCatalog {
  const byType = new Map(adapters.map((adapter) => [adapter.type, adapter]));
  return {
    all: adapters,
    types: adapters.map(({ type }) => type),
    find: (type) => byType.get(type),
  };
}
