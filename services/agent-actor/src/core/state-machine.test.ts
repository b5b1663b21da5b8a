// The state machine as a table: every cell is asserted, and what `docs/state-machine.md` shows is printed from the same decisions.
// `UPDATE=1 npx vitest run --project unit state-machine` rewrites the page.
import { readFileSync, writeFileSync } from "node:fs";
import { format } from "prettier";
import { expect, test } from "vitest";
import { cellOf, gated, gatedPhases, invokable, messages, phases } from "./testing/matrix.js";
import type { MessageName } from "./testing/matrix.js";

/** An invokable agent. Columns: none, queued, waiting, dispatched, running, cancelling. */
const expected: Record<MessageName, readonly string[]> = {
  "wake, same issue": [
    "queued, new run dispatched",
    "coalesced",
    "coalesced",
    "coalesced",
    "coalesced",
    "queued, new run queued",
  ],
  "wake, comment": [
    "queued, new run dispatched",
    "coalesced",
    "coalesced",
    "queued, new run queued",
    "queued, new run queued",
    "queued, new run queued",
  ],
  "wake, other task": [
    "queued, new run dispatched",
    "queued, dispatched, new run queued",
    "queued, new run dispatched",
    "queued, new run queued",
    "queued, new run queued",
    "queued, new run queued",
  ],
  timer: [
    "queued, new run dispatched",
    "queued, dispatched, new run queued",
    "queued, new run dispatched",
    "queued, new run queued",
    "queued, new run queued",
    "queued, new run queued",
  ],
  grant: ["release", "dispatched", "dispatched", "duplicate", "duplicate", "duplicate"],
  "run.started": ["“no”", "“no”", "“no”", "running, “go”", "“go”", "“go”"],
  "run.started, other claim": ["“no”", "“no”", "“no”", "running, “go”", "“no”", "“no”"],
  "run.progress": ["“gone”", "“stale”", "“stale”", "“stale”", "“committed”", "“committed”"],
  "run.finished": [
    "“gone”",
    "“stale”",
    "“stale”",
    "“stale”",
    "succeeded, release, “committed”",
    "cancelled, release, “committed”",
  ],
  "run.finished, other claim": ["“gone”", "“stale”", "“stale”", "“stale”", "“stale”", "“stale”"],
  "run.lost": [
    "“gone”",
    "“stale”",
    "“stale”",
    "“stale”",
    "dispatched, again, “committed”",
    "cancelled, release, “committed”",
  ],
  "run.reported": ["stale", "stale", "stale", "stale", "noted", "noted"],
  "run.reported, final": ["stale", "stale", "stale", "stale", "finish", "noted"],
  expired: ["stale", "stale", "stale", "stale", "dispatched, again", "cancelled, release"],
  cancel: [
    "ignored",
    "cancelled",
    "cancelled, release",
    "cancelled, withdraw, release",
    "cancelling, control",
    "control",
  ],
  pause: [
    "noted",
    "cancelled",
    "cancelled, release",
    "cancelled, withdraw, release",
    "cancelling, control",
    "control",
  ],
  resume: ["ignored", "ignored", "ignored", "ignored", "ignored", "ignored"],
  terminate: [
    "noted",
    "cancelled",
    "cancelled, release",
    "cancelled, withdraw, release",
    "cancelling, control",
    "control",
  ],
  "retry timer": ["stale", "stale", "stale", "stale", "stale", "stale"],
  delete: [
    "the agent is gone",
    "cancelled, the agent is gone",
    "cancelled, the agent is gone, release",
    "cancelled, the agent is gone, withdraw, release",
    "cancelling, control",
    "control",
  ],
  approve: ["ignored", "ignored", "ignored", "ignored", "ignored", "ignored"],
  "cancel-all": [
    "ignored",
    "cancelled",
    "cancelled, release",
    "cancelled, withdraw, release",
    "cancelling, control",
    "control",
  ],
  admit: ["noted", "dispatched", "noted", "noted", "noted", "noted"],
  configure: ["noted", "dispatched", "noted", "noted", "noted", "noted"],
  cost: ["noted", "noted", "noted", "noted", "noted", "noted"],
  "cost, the agent's limit": [
    "noted",
    "cancelled",
    "cancelled, release",
    "cancelled, withdraw, release",
    "cancelling, control",
    "control",
  ],
  "reset-session": ["noted", "noted", "noted", "noted", "noted", "noted"],
};

/** Out of `error` only: the queue goes on. */
const resumeOfError = ["noted", "dispatched", "noted", "noted", "noted", "noted"];

/** A gated agent. Columns: none, cancelling. What is absent is as for an invokable agent. */
const refused = ["agent_not_invokable", "agent_not_invokable"];
const expectedGated: Partial<Record<MessageName, readonly string[]>> = {
  "wake, same issue": refused,
  "wake, comment": refused,
  "wake, other task": refused,
  timer: ["noted", "noted"],
  resume: ["noted", "noted"],
  "cost, the agent's limit": ["noted", "noted"],
};
const expectedTerminated: typeof expectedGated = {
  pause: ["ignored", "ignored"],
  resume: ["ignored", "ignored"],
};
/** Neither a pause nor a resume opens a gate that an approval has to open. */
const expectedPending: typeof expectedGated = {
  ...expectedTerminated,
  approve: ["noted", "noted"],
};
const expectedOf = {
  paused: {},
  terminated: expectedTerminated,
  pending_approval: expectedPending,
};

const names = Object.keys(messages) as MessageName[];

test.each(invokable)("an agent that is %s", (status) => {
  for (const name of names) {
    const cells = phases.map((phase) => cellOf(phase, status, name));
    const row = name === "resume" && status === "error" ? resumeOfError : expected[name];
    expect(cells, name).toEqual(row);
  }
});

test.each(gated)("an agent that is %s", (status) => {
  for (const name of names) {
    const cells = gatedPhases.map((phase) => cellOf(phase, status, name));
    const open = gatedPhases.map((phase) => expected[name][phases.indexOf(phase)]);
    const special: typeof expectedGated = expectedOf[status];
    expect(cells, name).toEqual(special[name] ?? expectedGated[name] ?? open);
  }
});

test("docs/state-machine.md shows this table", async () => {
  const file = new URL("../../../../docs/state-machine.md", import.meta.url);
  const page = await format(printPage(), { parser: "markdown", printWidth: 100 });
  if (process.env["UPDATE"]) writeFileSync(file, page);
  expect(readFileSync(file, "utf8"), "run this test with UPDATE=1").toBe(page);
});

const tableRow = (cells: readonly string[]): string => `| ${cells.join(" | ")} |`;
const table = (head: readonly string[], rows: readonly (readonly string[])[]): string =>
  [tableRow(head), tableRow(head.map(() => "---")), ...rows.map(tableRow)].join("\n");

function printPage(): string {
  const open = names.map((name) => [name, ...phases.map((phase) => cellOf(phase, "idle", name))]);
  const closed = names.map((name) => [
    name,
    ...(["paused", "terminated"] as const).flatMap((status) =>
      gatedPhases.map((phase) => cellOf(phase, status, name)),
    ),
  ]);
  const gatedHead = ["paused: no run", "paused: cancelling", "terminated: no run"];
  return `# The state machine

This page is printed by \`services/agent-actor/src/core/state-machine.test.ts\` from what \`decide\` does, and compared with it in every
test run. Do not edit it: change the code and run \`UPDATE=1 npx vitest run --project unit state-machine\`.

## A run

\`\`\`mermaid
stateDiagram-v2
  [*] --> queued: wake
  queued --> dispatched: a slot is free, and its issue is free
  queued --> waiting: another run holds its issue (the slot goes back)
  waiting --> queued: grant
  dispatched --> running: run.started, the first claim gets its go
  running --> dispatched: run.lost or expired, once; handed back by a drain
  running --> cancelling: cancel, pause, terminate
  running --> over: run.finished, or lost again
  cancelling --> over: run.finished, run.lost, expired
  queued --> over: cancel, pause, terminate
  waiting --> over: cancel, pause, terminate
  dispatched --> over: cancel, pause, terminate (no process was started)
  over --> queued: a retry, which is a new run of the same wake and has to wait for its time
  over --> [*]
\`\`\`

A run has a slot while it is dispatched, running or cancelling, and holds its issue exactly as long. The public status is \`queued\` until the
first go, then \`running\`, then one of \`succeeded\`, \`failed\`, \`cancelled\`, \`timed_out\`. A wake that finds its issue held while a slot
is free becomes no run yet: it is deferred, and a grant makes it a queued run.

## What a message does

An agent with one slot, one run (or none) that works on an issue, and locks that are there for whoever asks. The words of a cell: the verdict
or the new phase or end of the run; “…” is the answer to a runner; \`control\`, \`withdraw\` and \`release\` are effects; _again_ is a new
attempt of the same run; _noted_ changes the agent alone; _stale_, _duplicate_ and _ignored_ change nothing.

${table(["message", ...phases.map((phase) => (phase === "none" ? "no run" : phase))], open)}

## Behind a gate

Pausing and terminating end every run that has no process at once, so only runs that are being cancelled are left. An agent that waits for
approval decides as a paused one, but that \`pause\` and \`resume\` are ignored and \`approve\` opens the gate. Deleting is terminating
for good: the agent is gone with its last process.

${table(["message", ...gatedHead, "terminated: cancelling"], closed)}
`;
}
