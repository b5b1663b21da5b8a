import { expect, test } from "vitest";
import { boundedEntry, transcriptEntrySchema } from "./transcript.js";

test("what is within the bounds stays as it is", () => {
  const entry = { kind: "tool_call", callId: "c", name: "Write", input: "{}" } as const;
  expect(boundedEntry(entry)).toEqual(entry);
  expect(transcriptEntrySchema.parse(entry)).toEqual(entry);
});

test("a text that is too long is cut, says so, and passes the schema", () => {
  const long = "x".repeat(20_000);
  const bounded = boundedEntry({ kind: "tool_result", callId: long, isError: false, text: long });
  expect(bounded).toMatchObject({ cut: true, isError: false });
  expect(transcriptEntrySchema.safeParse(bounded).success).toBe(true);
  expect(transcriptEntrySchema.safeParse({ kind: "text", text: long }).success).toBe(false);
});
