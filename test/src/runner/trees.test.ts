// Killing as a whole: whatever a run's process has started, however it hides, is dead before the run counts as finished.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Execution } from "@reveille/shared/protocol/execution";
import { eventually, isAlive, startRig, witnesses } from "./rig.js";
import type { Rig } from "./rig.js";

/** Starts a tree that ignores SIGTERM: itself, a child, and a daemon of its own session whose parent is gone. */
const stubborn = (witness: string) => ({
  command: "/bin/sh",
  args: [
    "-c",
    `trap "" TERM; echo $$ >> ${witness};
     sh -c 'trap "" TERM; echo $$ >> ${witness}; while :; do sleep 1; done' &
     setsid sh -c 'sh -c "trap \\"\\" TERM; echo \\$\\$ >> ${witness}; while :; do sleep 1; done" & exit 0'
     while :; do sleep 1; done`,
  ],
  graceSec: 1,
});

describe.each(["auto", "best_effort"])("containment %s", (containment) => {
  const scratch = mkdtempSync(join(tmpdir(), "reveille-trees-"));
  let rig: Rig;
  beforeAll(async () => {
    rig = await startRig(scratch);
    await rig.runner({ REVEILLE_RUNNER_CONTAINMENT: containment });
  });
  afterAll(async () => {
    await rig.stop();
    rmSync(scratch, { recursive: true, force: true });
  });

  test("cancel kills what ignores SIGTERM and what has left group and session [B4] [B5] [X3]", async () => {
    const witness = join(scratch, "stubborn");
    const run = await rig.enqueue(stubborn(witness));
    const { claimId } = await rig.actor.until("started", run.runId);
    const pids = await eventually("three processes", () => {
      const seen = witnesses(witness);
      return seen.length === 3 && seen;
    });
    const began = performance.now();
    rig.actor.cancel(run, claimId);
    const finished = await rig.actor.until("finished", run.runId);
    expect(performance.now() - began).toBeGreaterThan(900);
    expect(performance.now() - began).toBeLessThan(4_000);
    expect(finished.result).toMatchObject({ exitCode: null, signal: "SIGKILL", timedOut: false });
    expect(pids.filter(isAlive)).toEqual([]);
  });

  test("cancel of what listens ends it with SIGTERM, at once [X3]", async () => {
    const run = await rig.enqueue({ command: "sleep", args: ["60"] });
    const { claimId } = await rig.actor.until("started", run.runId);
    await rig.actor.until("progress", run.runId);
    const began = performance.now();
    rig.actor.cancel(run, claimId);
    rig.actor.cancel(run, claimId);
    const finished = await rig.actor.until("finished", run.runId);
    expect(performance.now() - began).toBeLessThan(1_500);
    expect(finished.result).toMatchObject({ exitCode: null, signal: "SIGTERM" });
  });

  test("a control for another claim changes nothing", async () => {
    const run = await rig.enqueue({ command: "sleep", args: ["0.5"] });
    const { incarnation } = await rig.actor.until("started", run.runId);
    rig.actor.cancel(run, incarnation);
    expect((await rig.actor.until("finished", run.runId)).result.exitCode).toBe(0);
  });

  test("a cancel before the go starts nothing [X5]", async () => {
    const witness = join(scratch, "never");
    const { answer } = rig.actor;
    let run: Execution | null = null;
    rig.actor.answer = (heard) => {
      if (heard.kind !== "started") return "committed";
      // The question may come before this test knows its own run; it is asked again.
      if (!run) return null;
      rig.actor.cancel(run, heard.report.claimId);
      return "go";
    };
    run = await rig.enqueue({ command: "/bin/sh", args: ["-c", `echo $$ >> ${witness}`] });
    const finished = await rig.actor.until("finished", run.runId);
    expect(finished.result.errorCode).toBe("cancelled");
    expect(witnesses(witness)).toEqual([]);
    rig.actor.answer = answer;
  });

  test("what a process leaves behind is ended with it, and holds nothing up [B5]", async () => {
    const witness = join(scratch, "left");
    const run = await rig.enqueue({
      command: "/bin/sh",
      args: [
        "-c",
        `setsid sh -c 'trap "" TERM; echo $$ >> ${witness}; while :; do sleep 1; done' & while [ ! -s ${witness} ]; do sleep 0.01; done; echo done`,
      ],
    });
    const began = performance.now();
    const finished = await rig.actor.until("finished", run.runId);
    expect(performance.now() - began).toBeLessThan(4_000);
    expect(finished.result).toMatchObject({ exitCode: 0, resultJson: { stdout: "done\n" } });
    expect(finished.log.cut).toBeUndefined();
    expect(witnesses(witness)).toHaveLength(1);
    expect(witnesses(witness).filter(isAlive)).toEqual([]);
  });

  test("a tree of a hundred processes dies as one", async () => {
    const witness = join(scratch, "many");
    const run = await rig.enqueue({
      command: "/bin/sh",
      args: [
        "-c",
        `for i in $(seq 100); do sh -c 'trap "" TERM; echo $$ >> ${witness}; exec sleep 60' & done; wait`,
      ],
      timeoutSec: 2,
      graceSec: 1,
    });
    const finished = await rig.actor.until("finished", run.runId);
    expect(finished.result).toMatchObject({ timedOut: true, errorMessage: "Timed out after 2s" });
    expect(witnesses(witness)).toHaveLength(100);
    expect(witnesses(witness).filter(isAlive)).toEqual([]);
  });
});
