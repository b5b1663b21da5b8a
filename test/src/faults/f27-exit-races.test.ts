// F27: the end of a run meets its cancellation, or comes before its beginning: one terminal state each time, with the right code.
// What else cannot start, and with which words, is told by test/src/runner/basics.test.ts.
import { execFileSync } from "node:child_process";
import { chmodSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { expect, test } from "vitest";
import { clusterOfFile } from "../harness/cluster.js";
import { inForm } from "../harness/fault-form.js";
import {
  addAgent,
  liveRun,
  overRun,
  runIdOf,
  wakeOf,
  type RunRow,
} from "../harness/run-evidence.js";
import type { Wake } from "../harness/wake-client.js";

// Spares have been started already: without them each start needs what it needs.
const cluster = clusterOfFile({ env: { runner: { REVEILLE_RUNNER_SPARES: "0" } } });

const shell = (script: string, more: object = {}): object => ({
  command: "/bin/sh",
  args: ["-c", script],
  graceSec: 1,
  ...more,
});

test("[F27] a process that ends at the instant of its cancel: one end, and the answer, the row and the wake agree on it", async () => {
  // From far before the end of the process to far behind it, in small steps around it.
  const livesMs = 250;
  const delays = Array.from({ length: inForm(24, 160) }, (_, n) => (n % 24) * 20);
  const agents = await Promise.all(
    delays.map(() => addAgent(cluster(), shell(`sleep ${livesMs / 1_000}; exit 0`))),
  );
  const wakes = agents.map((agent, n) => wakeOf(agent, `race-${n}`));
  const ends: string[] = [];
  // Some at a time: the instant has to be met, not the queue.
  for (let at = 0; at < wakes.length; at += 8) {
    const some = wakes.slice(at, at + 8);
    const answers = some.map(async (wake, n) => {
      await cluster().client.wake(wake);
      await liveRun(cluster(), wake);
      await pause(delays[at + n]);
      const path = `/heartbeat-runs/${runIdOf(wake)}/cancel`;
      const { status, body } = await cluster().system.call("POST", path);
      const row = await overRun(cluster(), wake);
      expect({ status, answered: body["status"] }).toEqual({ status: 200, answered: row.status });
      return row;
    });
    for (const row of await Promise.all(answers)) {
      expect(["succeeded", "cancelled"]).toContain(row.status);
      if (row.status === "succeeded")
        expect(row).toMatchObject({ exit_code: 0, signal: null, error_code: null });
      else expect(row.error_code).toBe("cancelled");
      ends.push(row.status);
    }
  }
  expect(new Set(ends)).toEqual(new Set(["succeeded", "cancelled"]));
  await cluster().atRest(wakes, 30_000);
  await cluster().expectAllWell(wakes, agents);
});

test("[F27] ends without a beginning, and codes that come after a good result", async () => {
  const { dir } = cluster().witness;
  const gone = join(dir, "gone");
  const file = join(dir, "file");
  const closed = join(dir, "closed");
  mkdirSync(gone, { recursive: true });
  mkdirSync(closed, { recursive: true });
  chmodSync(closed, 0o000);
  writeFileSync(file, "");
  const failed = { status: "failed", error_code: "adapter_failed" };
  const notStarted = { ...failed, exit_code: null, signal: null };
  const cases: [string, object, Partial<Record<keyof RunRow, unknown>>][] = [
    ["killed before its first byte", shell("kill -9 $$"), { ...failed, signal: "SIGKILL" }],
    ["aborted before its first byte", shell("kill -ABRT $$"), { ...failed, signal: "SIGABRT" }],
    [
      "143 after a good result",
      shell(`trap 'exit 143' TERM; echo '{"result":"good"}'; kill -TERM $$; sleep 5`),
      { ...failed, exit_code: 143, signal: null, error: "Process exited with code 143" },
    ],
    [
      "ends well although it was told to end",
      shell("trap 'exit 0' TERM; kill -TERM $$; sleep 5"),
      { status: "succeeded", exit_code: 0 },
    ],
    ["no such command", { command: "no-such-command-xyz" }, notStarted],
    ["a command that may not be run", { command: "/etc/hostname" }, failed],
    ["a file as working directory", shell("true", { cwd: file }), notStarted],
    [
      "its working directory goes away under it",
      shell(`rmdir "$PWD"; echo still here`, { cwd: gone }),
      { status: "succeeded", exit_code: 0, stdout_excerpt: "still here\n" },
    ],
  ];
  if (process.getuid?.() === 0)
    process.stderr.write("SKIPPED: nothing is closed to root, so no folder is\n");
  else cases.push(["a working directory that is closed", shell("true", { cwd: closed }), failed]);
  const agents = await Promise.all(cases.map(([, config]) => addAgent(cluster(), config)));
  const wakes = agents.map((agent, n) => wakeOf(agent, `case-${n}`));
  await cluster().client.wakeAll(wakes);
  for (const [n, [name, , wanted]] of cases.entries())
    expect(await overRun(cluster(), wakes[n]!), name).toMatchObject(wanted);
  // The one whose folder is gone by now.
  const again = wakeOf(
    agents[cases.findIndex(([name]) => name.startsWith("its working"))]!,
    "again",
  );
  await cluster().client.wake(again);
  expect(await overRun(cluster(), again)).toMatchObject(notStarted);
  await cluster().atRest([...wakes, again], 30_000);
  await cluster().expectAllWell([...wakes, again], agents);
});

test("[F27] a runner without file descriptors fails what it cannot start, lives on, and starts again when there are some", async () => {
  const runners = cluster().system.stack.service("runner");
  const pids = runners.map(({ pid }) => pid!);
  const agent = await addAgent(cluster(), shell("echo here"), {
    heartbeat: { maxConcurrentRuns: 8 },
  });
  const wakesOf = (name: string): Wake[] =>
    Array.from({ length: 8 }, (_, n) => wakeOf(agent, `${name}-${n}`));
  const limits = pids.map((pid) => {
    const open = readdirSync(`/proc/${pid}/fd`).length;
    return limitFiles(pid, open + 1);
  });
  const without = wakesOf("without");
  await cluster().client.wakeAll(without);
  const ended = await Promise.all(without.map((wake) => overRun(cluster(), wake)));
  for (const run of ended)
    expect(run).toMatchObject({ status: "failed", exit_code: null, error_code: "adapter_failed" });
  for (const restore of limits) restore();

  const afterwards = wakesOf("afterwards");
  await cluster().client.wakeAll(afterwards);
  for (const wake of afterwards)
    expect(await overRun(cluster(), wake)).toMatchObject({ status: "succeeded", attempt: 1 });
  expect(runners.map(({ pid }) => pid)).toEqual(pids);
  await cluster().atRest([...without, ...afterwards], 30_000);
  await cluster().expectAllWell([...without, ...afterwards], [agent]);
});

/** Bounds the open files of a process; returns what undoes it. */
function limitFiles(pid: number, files: number): () => void {
  const limit = (value: string) => execFileSync("prlimit", ["--pid", String(pid), value]);
  const output = execFileSync("prlimit", [
    "--pid",
    String(pid),
    "--nofile",
    "--noheadings",
    "--output=SOFT",
  ]);
  limit(`--nofile=${files}:`);
  return () => limit(`--nofile=${output.toString().trim()}:`);
}
