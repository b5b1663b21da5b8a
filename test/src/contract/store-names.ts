// Owns the list of statements that the shell has, as its sources say it. Runs nothing.
import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const shell = fileURLToPath(new URL("../../../services/agent-actor/src/shell", import.meta.url));

export interface StatementNames {
  /** Written out. */
  names: string[];
  /** Made from a template: what every name that comes of it looks like. */
  patterns: RegExp[];
  /** Files that ask something of a store, with how many names they have. */
  files: Map<string, number>;
}

/** Names in the words of statements: lower case and underscores, never a dash; their text comes next. Spans have names, too. */
const written = /\bname: (?:"([a-z_]+)"|`([a-z_]+)\$\{\w+\}`)(?=,\s*text\b)/g;

export function statementNames(): StatementNames {
  const found: StatementNames = { names: [], patterns: [], files: new Map() };
  for (const file of readdirSync(shell)) {
    if (!file.endsWith(".ts") || file.endsWith(".test.ts")) continue;
    const source = readFileSync(`${shell}/${file}`, "utf8");
    const matches = [...source.matchAll(written)];
    for (const [, name, prefix] of matches)
      if (name !== undefined) found.names.push(name);
      else found.patterns.push(new RegExp(`^${prefix}[a-z_]+$`));
    if (/\.query[<(]/.test(source)) found.files.set(file, matches.length);
  }
  return found;
}
