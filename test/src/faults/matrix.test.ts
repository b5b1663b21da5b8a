import { readFileSync, readdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { matrix, rowOf } from "./matrix.js";

const folder = dirname(fileURLToPath(import.meta.url));
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
