import { expect, test } from "vitest";
import { countStatements } from "./statement-log.js";

test("counts by client and text, over lines, simple and prepared", () => {
  const log = [
    "@actor@ LOG:  statement: begin",
    "@actor@ LOG:  execute commit-batch: with a as (",
    "\t  insert into runs select 1 on conflict do update set x = 1",
    "\t)",
    "\tupdate partitions set y = 2",
    "@@ LOG:  checkpoint starting: time",
    "@actor@ LOG:  execute commit-batch: with a as (",
    "\t  insert into runs select 1 on conflict do update set x = 1",
    "\t)",
    "\tupdate partitions set y = 2",
    "@gateway@ LOG:  execute <unnamed>: select 1 for update",
    "@gateway@ ERROR:  canceling statement",
    "\tnot a statement's line",
  ].join("\n");
  expect(countStatements(log)).toEqual([
    {
      client: "actor",
      text: "with a as ( insert into runs select 1 on conflict do update set x = 1 ) update partitions set y = 2",
      count: 2,
      writes: 2,
    },
    { client: "actor", text: "begin", count: 1, writes: 0 },
    { client: "gateway", text: "select 1 for update", count: 1, writes: 0 },
  ]);
});

test("finds nothing in nothing", () => {
  expect(countStatements("")).toEqual([]);
});
