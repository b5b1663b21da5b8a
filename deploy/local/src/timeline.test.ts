import { expect, test } from "vitest";
import { createConsole } from "./console-line.js";
import type { Directory } from "./progress-names.js";
import { createRunOutput } from "./run-output.js";
import { createTimeline } from "./timeline.js";

const first = "11111111-0000-4000-8000-000000000000";
const second = "22222222-0000-4000-8000-000000000000";
const directory: Directory = {
  run: (id) =>
    Promise.resolve({
      agent: id === first ? "Builder" : "Reviewer",
      issue: "SAM-1",
      issueId: "33333333-0000-4000-8000-000000000000",
      reason: "issue_assigned",
    }),
};

function display(colour = false) {
  const lines: string[] = [];
  const console = createConsole((line) => lines.push(line), colour);
  const output = createRunOutput(console);
  return {
    output,
    timeline: createTimeline(directory, console, output),
    /** Without the time, which depends on the machine's zone. */
    told: () => lines.map((line) => line.slice(line.indexOf("  ") + 2)),
    lines,
  };
}
const at = "2026-01-01T00:00:00.000Z";
const running = (runId: string) => ({ runId, status: "running" });

test("a lock that goes from one run to another is told as handed over", async () => {
  const { timeline, told } = display();
  await timeline.event("heartbeat.run.queued", at, { runId: first });
  await timeline.event("heartbeat.run.status", at, running(first));
  await timeline.event("heartbeat.run.status", at, {
    runId: first,
    status: "succeeded",
    startedAt: at,
    finishedAt: "2026-01-01T00:00:01.500Z",
  });
  await timeline.event("heartbeat.run.status", at, running(second));
  expect(told()).toEqual([
    "Builder     wake      issue_assigned on SAM-1: queued as run 11111111",
    "Builder     lock      holds SAM-1",
    "Builder     go        run 11111111 started",
    "Builder     succeeded run 11111111 after 1.5 s",
    "Reviewer    lock      SAM-1 handed over: Builder -> Reviewer",
    "Reviewer    go        run 22222222 started",
  ]);
});

test("a lost attempt and its repetition are told, other events of a run are not", async () => {
  const { timeline, told } = display();
  const event = { runId: first, eventType: "lifecycle" };
  await timeline.event("heartbeat.run.event", at, { ...event, message: "run started" });
  await timeline.event("heartbeat.run.event", at, {
    ...event,
    level: "warn",
    message: "attempt 1 lost: its runner was lost; it is repeated",
  });
  expect(told()).toEqual([
    "Builder     lost      run 11111111: attempt 1 lost: its runner was lost; it is repeated",
  ]);
});

test("output is shown in whole lines, cut characters put together, control characters left out", () => {
  const { output, told } = display();
  const bytes = Buffer.from("grün\u001B[2J\nlast");
  output.take(at, "Builder", first, "stdout", bytes.subarray(0, 3));
  output.take(at, "Builder", first, "stdout", bytes.subarray(3));
  expect(told()).toEqual(["Builder     | grün[2J"]);
  output.end(at, "Builder", first);
  expect(told().at(-1)).toBe("Builder     | last");
});

test("a flood is cut after 40 lines and counted; without colour there is no escape code", () => {
  const { output, lines, told } = display();
  output.take(at, "Builder", first, "stderr", Buffer.from("x\n".repeat(100)));
  output.end(at, "Builder", first);
  expect(lines).toHaveLength(41);
  expect(told().at(-1)).toBe("Builder     | ... 60 more lines: npx reveille logs 11111111");
  expect(lines.join("")).not.toContain("\u001B");
});
