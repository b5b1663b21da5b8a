// F21: processes that do not listen, hide in sessions of their own, are many, or become more and more. A cancel ends all of them within
// the grace and a second, and the next holder of the issue starts after that.
// Without cgroups, and what a process leaves behind when it ends by itself: test/src/runner/trees.test.ts.
import { mkdirSync, readFileSync, readdirSync, rmdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { clusterOfFile } from "../harness/cluster.js";
import { inForm } from "../harness/fault-form.js";
import { addAgent, overRun, runIdOf, wakeOf } from "../harness/run-evidence.js";
import { until } from "../harness/until.js";
import { isAlive, witnesses } from "../runner/rig.js";

const cluster = clusterOfFile();
const graceSec = 1;
/** The bar. */
const endsWithinMs = graceSec * 1_000 + 1_000;
const rounds = inForm(1, 5);

/** One of the tree: it writes down its pid, does not listen, and goes on for ever. */
const deaf = `trap '' TERM HUP INT; echo $$ >> "$PIDS"; while :; do sleep 1; done`;

/** `$PIDS` is the file of pids, `$DIR` the folder of scripts; descriptor 9 is the lock of the issue, which all of them inherit. */
const trees: Record<string, { script: string; processes: number }> = {
  "does not listen to SIGTERM": { script: `sh "$DIR/deaf"`, processes: 1 },
  "a daemon in a session of its own that holds the output": {
    script: `setsid sh -c 'sh "$DIR/deaf" & sh -c "while :; do echo still here; sleep 0.1; done" & exit 0'; sh "$DIR/deaf"`,
    processes: 2,
  },
  "a tree of two hundred processes in ten sessions": {
    script: `for i in $(seq 10); do setsid sh -c 'for j in $(seq 19); do sh "$DIR/deaf" & done; sh "$DIR/deaf"' & done; wait`,
    processes: 200,
  },
  "one that forks and ends, again and again, faster than anybody looks": {
    script: `for i in $(seq 4); do sh "$DIR/hop" & done; sh "$DIR/deaf"`,
    processes: 1,
  },
};

const prologue = `exec 9>>"$WITNESS/issue-$REVEILLE_TASK_ID"; flock -n 9 || exit 3; `;

/** Cancels the run and measures until it is answered, and until nothing of it lives. */
async function cancelled(runId: string, alive: () => unknown[]): Promise<number> {
  const began = performance.now();
  const { status, body } = await cluster().system.call("POST", `/heartbeat-runs/${runId}/cancel`);
  const tookMs = performance.now() - began;
  expect({ status, run: body["status"] }).toEqual({ status: 200, run: "cancelled" });
  // It is answered when all are dead, not before.
  expect(alive()).toEqual([]);
  return tookMs;
}

test.each(Object.entries(trees))(
  "[F21] %s: dead within grace + 1 s of its cancel, and then the next one starts",
  async (name, { script, processes }) => {
    const { dir } = cluster().witness;
    writeFileSync(join(dir, "deaf"), deaf);
    // Each lives for some milliseconds only: whoever walks along the parents comes too late.
    writeFileSync(join(dir, "hop"), `trap '' TERM; setsid sh "$DIR/hop" & sleep 0.005`);
    for (let round = 0; round < rounds; round += 1) {
      const pids = join(dir, `pids-${name.length}-${round}`);
      const env = { PIDS: pids, DIR: dir, WITNESS: dir };
      const wild = await addAgent(cluster(), {
        command: "/bin/sh",
        args: ["-c", prologue + script],
        env,
        graceSec,
      });
      const [next] = await cluster().agents(1, 50);
      const [issueId] = await cluster().issues(1);
      const wakes = [
        { ...wakeOf(wild, `wild-${name.length}-${round}`), payload: { issueId } },
        { ...wakeOf(next!, `next-${name.length}-${round}`), payload: { issueId } },
      ];
      await cluster().client.wake(wakes[0]!);
      await until("all live", () => witnesses(pids).length >= processes, {
        describe: () => witnesses(pids).length,
      });
      if (script.includes("/hop"))
        await until("they hop", () => running(join(dir, "hop")).length > 0);
      await cluster().client.wake(wakes[1]!);
      const tookMs = await cancelled(runIdOf(wakes[0]!), () => [
        ...witnesses(pids).filter(isAlive),
        ...running(join(dir, "hop")),
      ]);
      process.stderr.write(`${name}: ${Math.round(tookMs)} ms\n`);
      expect(tookMs).toBeLessThan(endsWithinMs);
      expect(witnesses(pids).length).toBeGreaterThanOrEqual(processes);
      expect(await overRun(cluster(), wakes[1]!)).toMatchObject({ status: "succeeded" });
      await cluster().atRest(wakes, 30_000);
      await cluster().expectAllWell(wakes, [wild, next!]);
    }
  },
);

/** Pids of processes that run a script. */
const running = (script: string): string[] =>
  readdirSync("/proc").filter((name) => {
    try {
      return /^\d+$/.test(name) && readFileSync(`/proc/${name}/cmdline`, "latin1").includes(script);
    } catch {
      return false; // it has ended meanwhile
    }
  });

/** So many processes at most, as an installation that trusts nobody would have it. */
const processesMax = 64;

/** A bounded cgroup (version 1, as `pids.max` needs the controller); null where none can be made. */
function boundedCgroup(): string | null {
  const path = `/sys/fs/cgroup/pids/reveille-f21-${process.pid}`;
  try {
    mkdirSync(path);
    writeFileSync(join(path, "pids.max"), String(processesMax));
  } catch (error) {
    process.stderr.write(
      `SKIPPED: no cgroup that bounds processes (${(error as Error).message})\n`,
    );
    return null;
  }
  onTestFinished(() => rmdirSync(path));
  return path;
}

test("[F21] a fork bomb that the kernel bounds: all of it is dead within grace + 1 s of its cancel, others are not held up", async ({
  skip,
}) => {
  const bounds = boundedCgroup();
  if (bounds === null) return skip("no cgroup that bounds processes can be made here");
  const members = (): string[] =>
    readFileSync(join(bounds, "cgroup.procs"), "utf8").split("\n").filter(Boolean);
  const bomb = await addAgent(cluster(), {
    command: "/bin/sh",
    args: [
      "-c",
      `echo $$ > ${bounds}/cgroup.procs; while :; do (trap '' TERM; while :; do sleep 60 & done) 2>/dev/null; done`,
    ],
    graceSec,
  });
  const wake = wakeOf(bomb, "bomb");
  await cluster().client.wake(wake);
  await until("it has met its bound", () => members().length >= processesMax - 1, {
    describe: () => members().length,
  });
  // Of both runners, also the one beside the bomb.
  const others = await cluster().agents(6, 50);
  const wakes = others.map((agent, n) => wakeOf(agent, `beside-${n}`));
  await cluster().client.wakeAll(wakes);
  for (const one of wakes)
    expect(await overRun(cluster(), one, 10_000)).toMatchObject({ status: "succeeded" });
  const tookMs = await cancelled(runIdOf(wake), members);
  process.stderr.write(`fork bomb: ${Math.round(tookMs)} ms\n`);
  expect(tookMs).toBeLessThan(endsWithinMs);
  await cluster().atRest([wake, ...wakes], 30_000);
  await cluster().expectAllWell([wake, ...wakes], [bomb, ...others]);
});
