import { expect, test } from "vitest";
import { identityOf, treeMembers } from "./process-table.js";
import type { SeenProcess } from "./process-table.js";

const one = (pid: number, parent: number, more: Partial<SeenProcess> = {}): SeenProcess => ({
  pid,
  parent,
  group: pid,
  session: pid,
  start: `s${pid}`,
  zombie: false,
  stopped: false,
  mark: null,
  ...more,
});
const pids = (members: SeenProcess[]): number[] =>
  members.map(({ pid }) => pid).sort((a, b) => a - b);

const table = [
  one(1, 0),
  one(10, 1, { mark: "inc.run.1" }),
  one(11, 10, { group: 10, session: 10 }),
  one(12, 11), // cleared environment, own session: found by its parent
  one(13, 1, { mark: "inc.run.1" }), // double fork: found by its mark
  one(14, 13),
  one(20, 1, { mark: "inc.run.2" }),
  one(30, 1),
];

test("marks, groups and descendants make the tree, and nothing else does", () => {
  expect(pids(treeMembers(table, (mark) => mark === "inc.run.1", 10, new Set()))).toEqual([
    10, 11, 12, 13, 14,
  ]);
});

test("who was seen before stays a member after its parent is gone, unless its pid means another one", () => {
  const known = new Set([identityOf(table[7]!), "20:another-start"]);
  expect(pids(treeMembers(table, () => false, 0, known))).toEqual([30]);
});
