// What the trimmer asks of a stream that is not there: which sequences, when, and when not.
import type { Streams } from "@reveille/shared/nats/streams";
import { createSubjects } from "@reveille/shared/protocol/subjects";
import { beforeEach, expect, test } from "vitest";
import type { Partition } from "./partition.js";
import { Trimmer } from "./trim.js";

const generation = 2;
let purged: { filter: string; beforeSeq: number }[];
/** Called before a purge is answered. */
let onPurge: () => void;
let trimmer: Trimmer;
let streams: Streams;
/** Filters under which everything was purged. */
let swept: string[];

beforeEach(() => {
  purged = [];
  swept = [];
  onPurge = () => undefined;
  streams = {
    facts: async () => ({ transformDest: `${generation}.x` }),
    purgeBefore: async (_stream: string, filter: string, beforeSeq: number) => {
      onPurge();
      purged.push({ filter, beforeSeq });
      return 0;
    },
    purgeSubject: async (_stream: string, filter: string) => {
      swept.push(filter);
      return 0;
    },
  } as unknown as Streams;
  trimmer = new Trimmer(streams, createSubjects(), "MAILBOX");
});

type Trimmed = { -readonly [key in "row" | "state"]: Partition[key] };
const partitionAt = (partition: number, cursorSeq: number): Trimmed => ({
  state: "reading",
  row: { partition, epoch: 1, generation, cursorSeq, cursorNs: 5n, skipSeq: 0, skipNs: 0n },
});
const subjects = createSubjects();
/** What was purged of the generation in force. */
const trimmed = (partition: number): number[] =>
  purged
    .filter(({ filter }) => filter === subjects.partitionPurge(generation, partition))
    .map(({ beforeSeq }) => beforeSeq);

test("what lies behind a cursor goes, once, and the message at the cursor stays", async () => {
  const partition = partitionAt(3, 20);
  await trimmer.trim([partition], generation, () => true);
  await trimmer.trim([partition], generation, () => true);
  expect(trimmed(3)).toEqual([20]);
});

test("what is opened anew is not trimmed: a store that was rolled back may have given its sequences out again", async () => {
  const partition = partitionAt(3, 20);
  partition.state = "opening";
  await trimmer.trim([partition], generation, () => true);
  expect(purged).toEqual([]);
  partition.state = "reading";
  await trimmer.trim([partition], generation, () => true);
  expect(trimmed(3)).toEqual([20]);
});

test("a partition that is opened anew while others are trimmed is left alone", async () => {
  const [first, second] = [partitionAt(1, 10), partitionAt(2, 12)];
  onPurge = () => (second.state = "opening");
  await trimmer.trim([first, second], generation, () => true);
  expect([trimmed(1), trimmed(2)]).toEqual([[10], []]);
});

test("without the lease or the connection nothing is asked for", async () => {
  await trimmer.trim([partitionAt(3, 20)], generation, () => false);
  expect(purged).toEqual([]);
});

test("a stream that does not yet speak of this generation is not trimmed", async () => {
  await trimmer.trim([partitionAt(3, 20)], generation + 1, () => true);
  expect(purged).toEqual([]);
});

test("what no partition reads goes now and then, unless it could be named like a generation", async () => {
  const trimOften = async (of: Trimmer): Promise<void> => {
    for (let n = 1; n <= 64; n += 1) await of.trim([partitionAt(3, n)], generation, () => true);
  };
  await trimOften(trimmer);
  expect(swept).toEqual(["rv.>"]);
  await trimOften(new Trimmer(streams, createSubjects("2"), "MAILBOX"));
  expect(swept).toEqual(["rv.>"]);
});
