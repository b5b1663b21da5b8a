import { createSubjects } from "@reveille/shared/protocol/subjects";
import { transcriptFrameSchema } from "@reveille/shared/protocol/transcript";
import type { TranscriptEntry, TranscriptFrame } from "@reveille/shared/protocol/transcript";
import type { Clock } from "@reveille/shared/runtime/clock";
import { expect, test } from "vitest";
import { createTranscript } from "./transcript.js";

const ids = {
  companyId: "11111111-1111-4111-8111-111111111111",
  agentId: "22222222-2222-4222-8222-222222222222",
  runId: "33333333-3333-4333-8333-333333333333",
};

function rig() {
  let nowMs = 0;
  let due: { atMs: number; act: () => void } | null = null;
  const clock = {
    monotonicMs: () => nowMs,
    wallMs: () => nowMs,
    after: (ms: number, act: () => void) => {
      due = { atMs: nowMs + ms, act };
      return { cancel: () => (due = null) };
    },
  } as unknown as Clock;
  const frames: TranscriptFrame[] = [];
  const subjects: string[] = [];
  const bus = {
    connected: true,
    publish: (subject: string, data: Uint8Array) => {
      subjects.push(subject);
      frames.push(transcriptFrameSchema.parse(JSON.parse(Buffer.from(data).toString())));
    },
  };
  const transcript = createTranscript(clock, bus, createSubjects(), { ...ids, attempt: 1 });
  const advance = (ms: number): void => {
    nowMs += ms;
    const act = due && due.atMs <= nowMs ? due.act : null;
    if (act) act();
  };
  return { transcript, frames, subjects, bus, advance };
}
const text = (value: string): TranscriptEntry => ({ kind: "text", text: value });

test("the first entry goes out at once, what follows together 50 ms later", () => {
  const { transcript, frames, subjects, advance } = rig();
  transcript.tell(text("a"));
  advance(0);
  transcript.tell(text("b"));
  transcript.tell(text("c"));
  advance(49);
  expect(frames).toHaveLength(1);
  advance(1);
  expect(frames).toMatchObject([
    { first: 0, entries: [text("a")], attempt: 1 },
    { first: 1, entries: [text("b"), text("c")] },
  ]);
  expect(subjects[0]).toBe(`rv.${ids.companyId}.run.${ids.runId}.transcript`);
});

test("what is too much at once is left out, and the numbers say so", () => {
  const { transcript, frames, advance } = rig();
  for (let n = 0; n < 300; n += 1) transcript.tell(text(`${n}`));
  advance(0);
  transcript.tell(text("next"));
  transcript.end();
  expect(frames.map(({ first, entries }) => [first, entries.length])).toEqual([
    [0, 256],
    [300, 1],
  ]);
});

test("large entries are bounded by their size together", () => {
  const { transcript, frames } = rig();
  for (let n = 0; n < 30; n += 1) transcript.tell(text("x".repeat(50_000)));
  transcript.end();
  expect(frames[0]?.entries.length).toBeLessThan(11);
  expect(frames[0]?.entries[0]).toMatchObject({ cut: true });
});

test("while NATS is away nothing is kept for later, and what is no entry is refused", () => {
  const { transcript, frames, bus } = rig();
  bus.connected = false;
  transcript.tell(text("lost"));
  transcript.end();
  bus.connected = true;
  expect(transcript.tell({ kind: "odd" } as unknown as TranscriptEntry)).toBe(false);
  transcript.tell(text("heard"));
  transcript.end();
  expect(frames).toMatchObject([{ first: 1, entries: [text("heard")] }]);
});
