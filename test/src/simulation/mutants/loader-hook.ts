// Owns the loader's side of a planted bug; runs in the loader's own thread.
import type { InitializeHook, LoadHook } from "node:module";
import { mutants, plant } from "./mutants.js";
import type { Mutant } from "./mutants.js";

let mutant: Mutant | undefined;

export const initialize: InitializeHook<{ name: string }> = ({ name }) => {
  mutant = mutants.find((known) => known.name === name);
};

export const load: LoadHook = async (url, context, nextLoad) => {
  const loaded = await nextLoad(url, context);
  if (!mutant || !url.endsWith(`/${mutant.file}`)) return loaded;
  const { source } = loaded;
  if (source === undefined) throw new Error(`${url} has no source`);
  const text = typeof source === "string" ? source : new TextDecoder().decode(source);
  return { ...loaded, source: plant(mutant, text) };
};
