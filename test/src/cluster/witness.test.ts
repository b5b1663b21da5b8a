// The judges themselves: a violation that was planted is found, so a test that finds none has looked.
import { spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { expect, test } from "vitest";
import { scratchFolder } from "../harness/scratch.js";
import { until } from "../harness/until.js";
import {
  openWitness,
  witnessViolations,
  type Witness,
  type WitnessLine,
} from "../harness/witness.js";

function start(
  witness: Witness,
  lives: number | "released",
  facts: Record<string, string>,
): Promise<void> {
  const { args } = witness.agent(lives, true) as { args: string[] };
  const env = { PATH: process.env["PATH"], REVEILLE_ATTEMPT: "1", ...facts };
  const child = spawn("/bin/sh", args, { env, stdio: "ignore" });
  return new Promise((resolve) => child.once("exit", () => resolve()));
}

test("whoever meets a live process of its agent, issue or run says so, be it only a grandchild", async () => {
  const witness = openWitness(scratchFolder("witness"));
  const agentId = randomUUID();
  const issueId = randomUUID();
  // A run whose id begins so leaves a grandchild behind (0 % 8 is 0) that lives as long as the folder.
  const leaving = randomUUID().replace(/^.{8}/, "00000000");
  await start(witness, 50, {
    REVEILLE_RUN_ID: leaving,
    REVEILLE_AGENT_ID: agentId,
    REVEILLE_TASK_ID: issueId,
  });
  await start(witness, 50, { REVEILLE_RUN_ID: randomUUID(), REVEILLE_AGENT_ID: agentId });
  await start(witness, 50, {
    REVEILLE_RUN_ID: randomUUID(),
    REVEILLE_AGENT_ID: randomUUID(),
    REVEILLE_TASK_ID: issueId,
  });
  await start(witness, 50, {
    REVEILLE_RUN_ID: leaving,
    REVEILLE_AGENT_ID: randomUUID(),
    REVEILLE_ATTEMPT: "2",
  });
  await start(witness, 50, { REVEILLE_RUN_ID: randomUUID(), REVEILLE_AGENT_ID: randomUUID() });
  const overlaps = witness.lines().filter(({ what }) => what.startsWith("overlap"));
  expect(overlaps.map(({ what }) => what)).toEqual([
    "overlap-agent",
    "overlap-issue",
    "overlap-run",
  ]);
  expect(witnessViolations(witness.lines(), new Map())).toHaveLength(3);
});

test("a process that is to live until it is released does", async () => {
  const witness = openWitness(scratchFolder("witness"));
  const ended = start(witness, "released", {
    REVEILLE_RUN_ID: randomUUID(),
    REVEILLE_AGENT_ID: randomUUID(),
  });
  await until("it has started", () => witness.lines().length === 1);
  witness.release();
  await ended;
  expect(witness.lines().map(({ what }) => what)).toEqual(["start", "end"]);
});

test("two starts of one attempt, and more runs than slots, are found in the order of the lines", () => {
  const line = (what: WitnessLine["what"], runId: string, attempt = 1): WitnessLine => ({
    what,
    runId,
    attempt,
    agentId: "agent",
    issueId: null,
    pid: 1,
    at: 0,
  });
  const slots = new Map([["agent", 2]]);
  const ends = ["b", "c", "d"].map((runId) => line("end", runId));
  const well = [line("start", "a"), line("start", "b"), line("end", "a"), line("start", "c")];
  expect(witnessViolations([...well, ...ends], slots)).toEqual([]);
  expect(witnessViolations([...well, line("start", "d"), ...ends], slots)).toHaveLength(1);
  expect(witnessViolations([...well, line("start", "c", 2), ...ends], slots)).toEqual([]);
  expect(witnessViolations([...well, line("end", "c"), line("start", "c")], slots)).toHaveLength(1);
  const lost = [line("end", "c"), line("start", "c", 2), line("start", "d"), line("end", "d")];
  expect(witnessViolations([...well, ...lost, ...ends], slots)).toEqual([]);
});
