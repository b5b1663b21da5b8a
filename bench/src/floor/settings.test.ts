// Holds the floor's copies of stream settings and bounds to what the product really uses.
import { createSubjects } from "@reveille/shared/protocol/subjects";
import { defaultPartitionCount } from "@reveille/shared/protocol/partition";
import { defaultSizes, poolConsumerConfig, topology } from "@reveille/shared/protocol/topology";
import { expect, test } from "vitest";
import * as floor from "./settings.js";

const product = topology(createSubjects("rv"), 1, defaultPartitionCount, defaultSizes);

test.each(product.streams.map((stream) => [stream.name, stream] as const))(
  "the floor's %s has the product's subjects, durability and limits",
  (name, theirs) => {
    const mine = floor.streams.find((one) => one.name === `FLOOR_${name}`);
    expect(belowProductPrefix(mine)).toEqual(belowProductPrefix(theirs));
  },
);

test("the floor's work queue is consumed as the product's", () => {
  const theirs = poolConsumerConfig(createSubjects("rv"), "default");
  expect(belowProductPrefix(floor.poolConsumerConfig)).toEqual(belowProductPrefix(theirs));
});

test("the floor has the product's partitions", () => {
  expect(floor.partitionCount).toBe(defaultPartitionCount);
});

const belowProductPrefix = (value: unknown): unknown =>
  JSON.parse(JSON.stringify(value).replaceAll('"floor.', '"rv.').replaceAll("FLOOR_", ""));
