// The thirty points on every overlay, and a planted fault for each of them that has to be found. With kubectl the overlays are rendered
// now, and the committed rendering is held against that; without, the committed one is what is checked.
import { expect, test } from "vitest";
import { codeFacts, documentedSecrets } from "./facts.js";
import { planted } from "./planted.js";
import { points } from "./points.js";
import {
  hasKubectl,
  parseRendering,
  readRendered,
  renderWithKubectl,
  renderingNames,
  type Rendering,
} from "./rendering.js";

const kubectl = hasKubectl();
const facts = codeFacts();
const renderings = new Map<string, Rendering>(
  renderingNames.map((name) => {
    if (!kubectl) return [name, parseRendering(name, readRendered(name), [])];
    const { text, warnings } = renderWithKubectl(name);
    return [name, parseRendering(name, text, warnings)];
  }),
);
const rendered = (name: string): Rendering => {
  const found = renderings.get(name);
  if (!found) throw new Error(`${name} is not rendered`);
  return found;
};

test("there are thirty points, and a planted fault for each", () => {
  const numbers = Array.from({ length: 30 }, (_, index) => index + 1);
  expect(points.map(({ number }) => number)).toEqual(numbers);
  expect(Object.keys(planted).map(Number)).toEqual(numbers);
});

test.each(renderingNames)("%s has no fault", (name) => {
  const faults = points.flatMap(({ number, check }) =>
    check(rendered(name), facts).map((fault) => `${number}: ${fault}`),
  );
  expect(faults).toEqual([]);
});

test.skipIf(!kubectl).each(renderingNames)(
  "what is committed of %s is what kubectl renders (skipped without kubectl)",
  (name) => {
    // Objects, not text: releases of kubectl differ in how they write a line.
    const { objects } = parseRendering(name, readRendered(name), []);
    expect(objects, "run npm run k8s:check -- --write").toEqual(rendered(name).objects);
  },
);

const plans = Object.entries(planted).flatMap(([number, faults]) =>
  faults.map((fault) => ({ number: Number(number), ...fault })),
);
test.each(plans)("point $number finds $what", ({ number, of = "production", said, plant }) => {
  const point = points.find((one) => one.number === number);
  const [faulty, told] = plant(rendered(of), facts);
  expect(point?.check(faulty, told).join("\n")).toMatch(said);
});

test("the table of secrets is read as it is written", () => {
  const table = "| secret | keys |\n| `reveille-db` | `A`, `B` | gateway |\n| `other` | `C` | |";
  expect(documentedSecrets(table)).toEqual(new Map([["reveille-db", new Set(["A", "B"])]]));
});
