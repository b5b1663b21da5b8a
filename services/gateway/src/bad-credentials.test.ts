// Guessing is slowed down by address; whoever has a good credential is not kept out by a neighbour.
import { expect, test } from "vitest";
import { createBadCredentials } from "./bad-credentials.js";
import { HttpError } from "./errors.js";

const fail = (limit: ReturnType<typeof createBadCredentials>, times: number): void => {
  for (let n = 0; n < times; n += 1) limit.note("a", `bad${n}`, false);
};

test("after a hundred bad ones an address waits for the rest of the minute", () => {
  let now = 0;
  const limit = createBadCredentials(() => now);
  fail(limit, 99);
  expect(() => limit.admit("a", "x")).not.toThrow();
  fail(limit, 1);
  expect(() => limit.admit("a", "x")).toThrow(HttpError);
  expect(() => limit.admit("b", "x")).not.toThrow();
  now = 59_000;
  expect(() => limit.admit("a", "x")).toThrow(
    expect.objectContaining({ status: 429, retryAfterSec: 1 }),
  );
  now = 60_000;
  expect(() => limit.admit("a", "x")).not.toThrow();
});

test("a credential that was good is looked at all the same, until it is bad", () => {
  const limit = createBadCredentials(() => 0);
  limit.note("a", "mine", true);
  fail(limit, 200);
  expect(() => limit.admit("a", "mine")).not.toThrow();
  limit.note("a", "mine", false);
  expect(() => limit.admit("a", "mine")).toThrow(HttpError);
});

test("remembers a bounded number of addresses", () => {
  const limit = createBadCredentials(() => 0);
  fail(limit, 100);
  for (let n = 0; n < 10_000; n += 1) limit.note(`other${n}`, "x", false);
  expect(() => limit.admit("a", "x")).not.toThrow();
});
