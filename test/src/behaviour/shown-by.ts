// Owns which tests show which behaviour: reads the titles of all tests, and the scenarios of the conformance replay. Judges nothing.
import { readdirSync, readFileSync } from "node:fs";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { scenarios } from "../conformance/scenarios/all.js";

export const repository = fileURLToPath(new URL("../../../", import.meta.url));
/** Where tests are; anything else in the repository has none. */
const roots = ["shared/src", "services", "cli/src", "deploy/local/src", "bench/src", "test/src"];

export interface Evidence {
  /** From the repository's root. */
  file: string;
  title: string;
}

/** A title is a string that names rows in brackets, whether it stands in a call or in a table of cases. */
const strings = /(["'`])((?:\\.|(?!\1).)*)\1/g;
const marks = / ?\[([A-Z]\d{1,2})\]/g;
/** Rows of the fault matrix stand in titles in the same way; whether they are complete is for test/src/faults to say. */
const faultRow = /^F\d/;

/** By id, in the order of the files. */
export function shownBy(): ReadonlyMap<string, readonly Evidence[]> {
  const found = new Map<string, Evidence[]>();
  const add = (id: string, evidence: Evidence): void => {
    const known = found.get(id) ?? [];
    if (!known.some(({ file, title }) => file === evidence.file && title === evidence.title))
      found.set(id, [...known, evidence]);
  };
  for (const file of roots.flatMap(testFiles))
    for (const [, , text = ""] of readFileSync(join(repository, file), "utf8").matchAll(strings))
      for (const [, id = ""] of text.matchAll(marks))
        if (!faultRow.test(id)) add(id, { file, title: text.replaceAll(marks, "").trim() });
  const file = "test/src/conformance/conformance.test.ts";
  for (const { id: title, rows = [] } of scenarios) for (const id of rows) add(id, { file, title });
  return found;
}

/** Files `*.test.ts` below a folder, sorted. */
function testFiles(root: string): string[] {
  const names = readdirSync(join(repository, root), { recursive: true, encoding: "utf8" });
  return names
    .filter((name) => name.endsWith(".test.ts") && !/(^|\/)(node_modules|dist)\//.test(name))
    .map((name) => relative(repository, join(repository, root, name)))
    .toSorted((a, b) => a.localeCompare(b, "en"));
}
