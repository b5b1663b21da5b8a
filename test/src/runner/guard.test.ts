// The guard: whatever happens to a runner, its agents die and their attempts are reported, once and soon.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { eventually, isAlive, startRig, witnesses } from "./rig.js";
import type { Rig } from "./rig.js";

const forEver = (witness: string) => ({
  command: "/bin/sh",
  args: [
    "-c",
    `trap "" TERM; echo $$ >> ${witness}; setsid sh -c 'trap "" TERM; echo $$ >> ${witness}; while :; do sleep 1; done' & while :; do sleep 1; done`,
  ],
});

describe.each(["auto", "best_effort"])(
  "containment %s",
  (containment) => {
    const scratch = mkdtempSync(join(tmpdir(), "reveille-guard-"));
    const env = { REVEILLE_RUNNER_CONTAINMENT: containment, REVEILLE_RUNNER_LEASE_RENEW_MS: "300" };
    let rig: Rig;
    beforeAll(async () => {
      rig = await startRig(scratch);
    });
    afterAll(async () => {
      await rig.stop();
      rmSync(scratch, { recursive: true, force: true });
    });
    const leases = async (): Promise<string[]> => {
      const info = await rig.bus.jsm.streams.info("KV_runner-leases", { subjects_filter: ">" });
      return Object.keys(info.state.subjects ?? {});
    };
    const started = async (witness: string) => {
      const run = await rig.enqueue(forEver(witness));
      const report = await rig.actor.until("started", run.runId);
      const pids = await eventually("two processes", () => {
        const seen = witnesses(witness);
        return seen.length === 2 && seen;
      });
      return { run, report, pids };
    };

    test("kill -9 of the runner: the tree dies and is reported lost within 3 s [B30] [Z2]", async () => {
      const runner = await rig.runner(env);
      const { run, report, pids } = await started(join(scratch, "killed"));
      const guard = runner.guardPid();
      runner.child.kill("SIGKILL");
      const lost = await rig.actor.until("lost", run.runId, 3_000);
      expect(lost).toMatchObject({
        reason: "runner_gone",
        claimId: report.claimId,
        incarnation: report.incarnation,
        attempt: 1,
      });
      expect(pids.filter(isAlive)).toEqual([]);
      await eventually("the guard ends", () => !isAlive(guard));
      // A deletion leaves a marker under the key.
      const left = await rig.bus.jsm.streams.getMessage("KV_runner-leases", {
        last_by_subj: `$KV.runner-leases.${report.incarnation}`,
      });
      expect(left?.header.get("KV-Operation")).toBe("DEL");
    });

    test("kill -9 of a runner that waits for a go: the execution comes to the next one at once", async () => {
      rig.actor.answer = ({ kind }) => (kind === "started" ? null : "committed");
      const first = await rig.runner(env);
      const run = await rig.enqueue({ command: "true" });
      const { claimId } = await rig.actor.until("started", run.runId);
      first.child.kill("SIGKILL");
      await rig.actor.until("lost", run.runId);
      rig.actor.answer = ({ kind }) => (kind === "started" ? "go" : "committed");
      const second = await rig.runner(env);
      // The guard gave it back: nobody waits for ack_wait.
      const finished = await rig.actor.until("finished", run.runId);
      expect(finished.claimId).not.toBe(claimId);
      second.child.kill("SIGTERM");
      expect(await second.exited).toBe(0);
    });

    test("a runner frozen past the deadline: the guard kills and reports; thawed, it goes on anew", async () => {
      const runner = await rig.runner({ ...env, REVEILLE_RUNNER_GUARD_DEADLINE_MS: "1500" });
      const { run, report, pids } = await started(join(scratch, "frozen"));
      const before = await leases();
      runner.child.kill("SIGSTOP");
      const lost = await rig.actor.until("lost", run.runId, 5_000);
      expect(lost).toMatchObject({ reason: "deadline", claimId: report.claimId });
      expect(pids.filter(isAlive)).toEqual([]);
      runner.child.kill("SIGCONT");
      const next = await rig.enqueue({ command: "true" });
      const finished = await rig.actor.until("finished", next.runId, 10_000);
      expect(finished.incarnation).not.toBe(report.incarnation);
      expect(before).toContain(`$KV.runner-leases.${report.incarnation}`);
      // What a frozen runner had in its hands is never reported as a result.
      expect(
        rig.actor.heard.filter((one) => one.kind === "finished" && one.report.runId === run.runId),
      ).toEqual([]);
      runner.child.kill("SIGTERM");
      expect(await runner.exited).toBe(0);
    });

    test("the guard killed: the runner kills, reports, and goes on under a new one", async () => {
      const runner = await rig.runner(env);
      const { run, report, pids } = await started(join(scratch, "unguarded"));
      process.kill(runner.guardPid(), "SIGKILL");
      const lost = await rig.actor.until("lost", run.runId, 3_000);
      expect(lost).toMatchObject({ reason: "guard_gone", claimId: report.claimId });
      expect(pids.filter(isAlive)).toEqual([]);
      const next = await rig.enqueue({ command: "true" });
      expect((await rig.actor.until("finished", next.runId)).incarnation).not.toBe(
        report.incarnation,
      );
      runner.child.kill("SIGTERM");
      expect(await runner.exited).toBe(0);
    });

    test("runner and guard killed together: the next runner sweeps what they left before it pulls [B30]", async () => {
      const runner = await rig.runner(env);
      const { pids } = await started(join(scratch, "orphans"));
      process.kill(runner.guardPid(), "SIGSTOP");
      runner.child.kill("SIGKILL");
      await runner.exited;
      process.kill(runner.guardPid(), "SIGKILL");
      expect(pids.filter(isAlive)).toEqual(pids);
      const next = await rig.runner(env);
      expect(pids.filter(isAlive)).toEqual([]);
      next.child.kill("SIGTERM");
      expect(await next.exited).toBe(0);
    });

    test("drain: what ends in time is finished, the rest is lost as drained; nothing stays behind [B36]", async () => {
      const runner = await rig.runner(env);
      const { run, pids } = await started(join(scratch, "drained"));
      const short = await rig.enqueue({ command: "sleep", args: ["0.5"] });
      await rig.actor.until("started", short.runId);
      const guard = runner.guardPid();
      const { incarnation } = await rig.actor.until("started", run.runId);
      await rig.actor.until("progress", short.runId);
      runner.child.kill("SIGTERM");
      await eventually("it stops", () => runner.lines.some((line) => line.includes('"stopping"')));
      process.kill(guard, "SIGTERM"); // as a supervisor that signals the whole group does
      const late = await rig.enqueue({ command: "true" });
      expect((await rig.actor.until("finished", short.runId)).result.exitCode).toBe(0);
      expect(await rig.actor.until("lost", run.runId)).toMatchObject({ reason: "drained" });
      expect(await runner.exited).toBe(0);
      expect(pids.filter(isAlive)).toEqual([]);
      expect(isAlive(guard)).toBe(false);
      const left = await rig.bus.jsm.streams.getMessage("KV_runner-leases", {
        last_by_subj: `$KV.runner-leases.${incarnation}`,
      });
      expect(left?.header.get("KV-Operation")).toBe("DEL");
      // Nothing was pulled while it drained; a new runner takes it.
      expect(rig.actor.heard.some((one) => one.report.runId === late.runId)).toBe(false);
      const once = await rig.runner(env, ["--once"]);
      expect((await rig.actor.until("finished", late.runId)).result.exitCode).toBe(0);
      expect(await once.exited).toBe(0);
    });
  },
  60_000,
);

test("--once takes one execution and leaves the others", async () => {
  const scratch = mkdtempSync(join(tmpdir(), "reveille-once-"));
  const rig = await startRig(scratch);
  const runs = [];
  for (let n = 0; n < 3; n += 1) runs.push(await rig.enqueue({ command: "true" }));
  const runner = await rig.runner({}, ["--once"]);
  expect(await runner.exited).toBe(0);
  expect(rig.actor.heard.filter((one) => one.kind === "finished")).toHaveLength(1);
  expect((await rig.bus.jsm.streams.info("EXEC")).state.messages).toBe(2);
  await rig.stop();
  rmSync(scratch, { recursive: true, force: true });
});
