// F24: memory runs out: of an agent's process, which is then a failed run that names the signal; of a runner, which is then a runner that
// is gone (F3). A runner does not run out of it by what passes through: a small heap is enough for any flood.
import { mkdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { clusterOfFile } from "../harness/cluster.js";
import { inForm } from "../harness/fault-form.js";
import {
  addAgent,
  addProgram,
  overRun,
  runOf,
  storedLog,
  wakeOf,
} from "../harness/run-evidence.js";
import { runnerOf, runnerTiming, shortRunnerLeases } from "../harness/runner-process.js";
import { until } from "../harness/until.js";

const cluster = clusterOfFile({
  env: {
    ...shortRunnerLeases,
    "agent-actor": { ...shortRunnerLeases["agent-actor"], REVEILLE_RUNNER_POOLS: "oom,small" },
    gateway: { REVEILLE_RUNNER_POOLS: "oom,small" },
  },
});

/** The bar of a killed runner. */
const byGuardMs = 3_000;
const mib = 1 << 20;

interface MemoryGroup {
  readonly procs: string;
  join(pid: number): void;
  /** How many processes of it the kernel has killed because there was no more memory. */
  kills(): number;
}

/** A cgroup (version 1, as the limit needs its controller) of so much memory; null where none can be made. */
function memoryGroup(name: string, bytes: number): MemoryGroup | null {
  const path = `/sys/fs/cgroup/memory/reveille-f24-${name}-${process.pid}`;
  const file = (file: string): string => join(path, file);
  try {
    mkdirSync(path);
    onTestFinished(() => until("the cgroup is empty", () => removed(path)).then(() => undefined));
    writeFileSync(file("memory.limit_in_bytes"), String(bytes));
  } catch (error) {
    process.stderr.write(`SKIPPED: no cgroup that bounds memory (${(error as Error).message})\n`);
    return null;
  }
  return {
    procs: file("cgroup.procs"),
    join: (pid) => writeFileSync(file("cgroup.procs"), String(pid)),
    kills: () =>
      Number(/oom_kill (\d+)/.exec(readFileSync(file("memory.oom_control"), "latin1"))?.[1]),
  };
}

function removed(path: string): boolean {
  try {
    rmdirSync(path);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "ENOENT";
  }
}

const hog = `const kept = []; console.log("begin"); for (;;) kept.push(Buffer.alloc(${mib}, 1));`;

test("[F24] an agent's process is killed because its memory is used up: a failed run that names the signal", async ({
  skip,
}) => {
  const group = memoryGroup("child", 96 * mib);
  if (!group) return skip("no cgroup that bounds memory can be made here");
  const args = [group.procs, process.execPath, hog];
  const agents = await Promise.all([
    addAgent(cluster(), {
      command: "/bin/sh",
      args: ["-c", `echo $$ > "$0"; exec "$1" -e "$2"`, ...args],
    }),
    // Only a child of it: what that means is for the program to say.
    addAgent(cluster(), {
      command: "/bin/sh",
      args: [
        "-c",
        `sh -c 'echo $$ > "$0"; exec "$1" -e "$2"' "$0" "$1" "$2"; echo "child: $?"; exit 7`,
        ...args,
      ],
    }),
  ]);
  const wakes = agents.map((agent, n) => wakeOf(agent, `hog-${n}`));
  const began = group.kills();
  for (const wake of wakes) {
    await cluster().client.wake(wake);
    await overRun(cluster(), wake);
  }
  expect(group.kills() - began).toBe(2);
  expect(await runOf(cluster(), wakes[0]!)).toMatchObject({
    status: "failed",
    exit_code: null,
    signal: "SIGKILL",
    error: "Process was killed by SIGKILL",
    error_code: "adapter_failed",
    attempt: 1,
    stdout_excerpt: "begin\n",
  });
  expect(await runOf(cluster(), wakes[1]!)).toMatchObject({
    status: "failed",
    exit_code: 7,
    signal: null,
    // 128 + SIGKILL, as every shell says it.
    stdout_excerpt: "begin\nchild: 137\n",
  });
  await cluster().atRest(wakes, 30_000);
  await cluster().expectAllWell(wakes, agents);
});

test("[F24] a runner is killed because its memory is used up: its attempts are repeated elsewhere within 3 s", async ({
  skip,
}) => {
  const group = memoryGroup("runner", 8 * mib);
  if (!group) return skip("no cgroup that bounds memory can be made here");
  const { stack } = cluster().system;
  const pool = { REVEILLE_RUNNER_POOL: "oom", ...runnerTiming };
  const runtime = { runner: { pool: "oom" } };
  const doomed = await stack.start("runner", pool);
  const go = join(cluster().witness.dir, "flood");
  const flood = {
    command: "/bin/sh",
    args: ["-c", `while [ ! -e ${go} ]; do sleep 0.05; done; yes | head -c ${64 * mib}`],
  };
  const agents = await Promise.all([
    ...[0, 1, 2].map(() => addAgent(cluster(), cluster().witness.agent("released", true), runtime)),
    addAgent(cluster(), cluster().witness.agent("released", true), {
      ...runtime,
      retry: { lost: 0 },
    }),
    addAgent(cluster(), flood, runtime),
    addAgent(cluster(), flood, runtime),
  ]);
  const wakes = agents.map((agent, n) => wakeOf(agent, `oom-${n}`));
  await cluster().client.wakeAll(wakes);
  const { pid } = doomed;
  for (const wake of wakes) expect(await runnerOf(cluster(), wake.id)).toBe(pid);
  await stack.start("runner", pool);

  group.join(pid!);
  writeFileSync(go, "");
  await until("the runner is dead", () => doomed.pid === undefined, {
    describe: () => cluster().logs(),
  });
  const began = performance.now();
  expect(group.kills()).toBe(1);
  await until("each is repeated or over", async () => {
    const runs = await Promise.all(wakes.map((wake) => runOf(cluster(), wake)));
    return runs.every(
      (run) => run!.phase === "over" || (run!.phase === "running" && run!.attempt === 2),
    );
  });
  const tookMs = performance.now() - began;
  process.stderr.write(`settled ${Math.round(tookMs)} ms after the runner's end\n`);
  expect(tookMs).toBeLessThan(byGuardMs);
  cluster().witness.release();
  await cluster().atRest(wakes, 30_000);
  await cluster().expectAllWell(wakes, agents);
  const runs = await Promise.all(wakes.map((wake) => runOf(cluster(), wake)));
  expect(runs.map((run) => [run!.status, run!.attempt, run!.error_code])).toEqual([
    ...[0, 1, 2].map(() => ["succeeded", 2, null]),
    ["failed", 1, "process_lost"],
    ...[0, 1].map(() => ["succeeded", 2, null]),
  ]);
  for (const wake of wakes.slice(-2)) {
    const run = await runOf(cluster(), wake);
    const stored = await storedLog(cluster(), wake);
    // Of the attempt that counts: the one before it broke off without an end.
    expect(stored.end).toMatchObject({ bytes: 64 * mib, sha256: run!.log_sha256, cut: null });
  }
});

test("[F24] a runner with a heap of 64 MB lives through floods", async () => {
  const runner = await cluster().system.stack.start("runner", {
    ...runnerTiming,
    REVEILLE_RUNNER_POOL: "small",
    NODE_OPTIONS: "--max-old-space-size=64",
  });
  const { pid } = runner;
  const program = `const block = Buffer.alloc(${mib}, "x"); let n = ${inForm(40, 400)};
    const more = () => { while (n-- > 0) if (!process.stdout.write(block)) return process.stdout.once("drain", more); }; more();`;
  const agents = await Promise.all(
    [0, 1, 2].map(() => addProgram(cluster(), program, {}, { runner: { pool: "small" } })),
  );
  const wakes = agents.map((agent, n) => wakeOf(agent, `small-${n}`));
  await cluster().client.wakeAll(wakes);
  for (const wake of wakes)
    expect(await overRun(cluster(), wake, 120_000)).toMatchObject({
      status: "succeeded",
      attempt: 1,
      log_bytes: String(inForm(40, 400) * mib),
      log_cut: null,
    });
  expect(runner.pid).toBe(pid);
  await cluster().atRest(wakes, 30_000);
  await cluster().expectAllWell(wakes, agents);
});
