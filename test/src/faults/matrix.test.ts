// Every row of the matrix has its tests, and docs/reliability.md shows them. UPDATE=1 prints its list anew.
import { readFileSync, readdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { matrix, matrixLines, rowOf } from "./matrix.js";

const folder = dirname(fileURLToPath(import.meta.url));
const page = join(folder, "../../../docs/reliability.md");
const files = readdirSync(folder).filter((name) => /^f\d\d-.*\.test\.ts$/.test(name));

test("every row of the matrix has tests that name it", () => {
  const shown = new Set(
    files.flatMap((name) => {
      const row = rowOf(name);
      return row && readFileSync(join(folder, name), "utf8").includes(`[${row.id}]`)
        ? [row.id]
        : [];
    }),
  );
  expect(matrix.filter(({ id }) => !shown.has(id)).map(({ id }) => id)).toEqual([]);
});

test("every file of a row is of a row of the matrix, and its tests name no other one", () => {
  for (const name of files) {
    const row = rowOf(name);
    expect(row, name).toBeDefined();
    const named = readFileSync(join(folder, name), "utf8").matchAll(/\[(F\d+)\]/g);
    expect([...new Set([...named].map(([, id]) => id))], name).toEqual([row!.id]);
  }
});

test("docs/reliability.md shows the matrix", () => {
  const marked = /(<!-- the rows -->\n\n)[^]*?(\n\n<!-- end of the rows -->)/;
  const text = readFileSync(page, "utf8");
  expect(text).toMatch(marked);
  const wanted = text.replace(
    marked,
    (_, before: string, after: string) => before + matrixLines() + after,
  );
  if (process.env["UPDATE"]) writeFileSync(page, wanted);
  expect(readFileSync(page, "utf8"), "run this test with UPDATE=1").toBe(wanted);
});
