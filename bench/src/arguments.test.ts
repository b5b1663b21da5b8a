import { expect, test } from "vitest";
import { readArguments, scenarioNames } from "./arguments.js";

test("without words everything runs", () => {
  expect(readArguments([])).toEqual({
    kind: "run",
    arguments: { scenarios: scenarioNames, quick: false, json: undefined, save: undefined },
  });
});

test("takes scenarios and options in any order", () => {
  expect(readArguments(["logs", "--quick", "cost", "--json", "a.json", "--save", "x-1"])).toEqual({
    kind: "run",
    arguments: { scenarios: ["logs", "cost"], quick: true, json: "a.json", save: "x-1" },
  });
});

test.each([
  [["speed"], /unknown word speed/],
  [["--json"], /--json needs a value/],
  [["--save", "--quick"], /--save needs a value/],
  [["--save", "../x"], /--save needs a name/],
])("refuses %j", (words, reason) => {
  const read = readArguments(words);
  expect(read.kind === "bad" ? read.reason : read.kind).toMatch(reason);
});

test("explains itself", () => {
  expect(readArguments(["logs", "--help"]).kind).toBe("help");
});
