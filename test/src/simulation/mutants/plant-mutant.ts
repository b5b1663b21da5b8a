// Owns how a planted bug comes into a process: a hook of the module loader that changes one file on its way in. Call it before anything
// of the fleet is imported.
import { register } from "node:module";
import { mutants } from "./mutants.js";
import type { Mutant } from "./mutants.js";

/** Every later import of the mutant's file sees the bug. @throws Error for an unknown name. */
export function plantMutant(name: string): Mutant {
  const mutant = mutants.find((known) => known.name === name);
  if (!mutant)
    throw new Error(
      `unknown mutant ${name}; there are: ${mutants.map((known) => known.name).join(", ")}`,
    );
  register(new URL("loader-hook.js", import.meta.url), { data: { name } });
  return mutant;
}
