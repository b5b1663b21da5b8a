// Contexts as text: what is taken from a header, what follows from ids.
import { describe, expect, test } from "vitest";
import { namedContext, noTracing, readTraceparent, traceIdOf } from "./tracing.js";

const trace = "4bf92f3577b34da6a3ce929d0e0e4736";
const given = `00-${trace}-00f067aa0ba902b7-01`;

describe("a traceparent", () => {
  test("is taken as it is, and that of a later version by its first four parts", () => {
    expect(readTraceparent(given)).toBe(given);
    expect(readTraceparent(`cc-${trace}-00f067aa0ba902b7-01-what-is-new`)).toBe(given);
  });
  test.each([
    undefined,
    null,
    "",
    "garbage",
    `00-${trace}-00f067aa0ba902b7`,
    `ff-${trace}-00f067aa0ba902b7-01`,
    `00-${"0".repeat(32)}-00f067aa0ba902b7-01`,
    `00-${trace}-${"0".repeat(16)}-01`,
    `${given}-more`,
    `${given}\n`,
    given.toUpperCase(),
    `cc-${trace}-00f067aa0ba902b7-01-${"x".repeat(300)}`,
  ])("is none when it reads %j", (header) => expect(readTraceparent(header)).toBeNull());
});

test("the span of a UUID has the same context for whoever knows both", () => {
  const id = "01890f5e-7cb2-7c3e-9a11-0123456789ab";
  expect(namedContext(given, id)).toBe(`00-${trace}-9a110123456789ab-01`);
  expect(traceIdOf(namedContext(given, id))).toBe(trace);
});

test("off, what somebody else began travels on and nothing else is made", () => {
  expect(noTracing.child(given)).toBe(given);
  expect(noTracing.child(null)).toBeNull();
  expect(noTracing.named(given, "01890f5e-7cb2-7c3e-9a11-0123456789ab")).toBe(given);
  expect(traceIdOf(null)).toBeUndefined();
});
