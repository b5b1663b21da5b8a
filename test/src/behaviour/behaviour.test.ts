// The table of behaviours is complete, and the page shows what the tests' titles say. UPDATE=1 prints the page anew.
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { behaviours } from "./rows.js";
import { repository, shownBy } from "./shown-by.js";
import { behaviourPage } from "./table.js";

const page = join(repository, "docs", "behaviour.md");
const evidence = shownBy();

test("every behaviour is shown by a test", () => {
  expect([...behaviours.keys()].filter((id) => !evidence.has(id))).toEqual([]);
});

test("no title names a behaviour that there is not", () => {
  expect([...evidence.keys()].filter((id) => !behaviours.has(id))).toEqual([]);
});

test("docs/behaviour.md shows what the tests say", () => {
  const text = behaviourPage(evidence);
  if (process.env["UPDATE"]) writeFileSync(page, text);
  expect(readFileSync(page, "utf8"), "run this test with UPDATE=1").toBe(text);
});
