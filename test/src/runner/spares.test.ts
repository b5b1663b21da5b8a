// Spare processes: used when there is one, gone with their runner, useless once the lifeline is cut, and unseen by the program.
import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { newId } from "@reveille/shared/protocol/ids";
import { systemClock } from "@reveille/shared/runtime/clock";
import { createLogger } from "@reveille/shared/runtime/log";
import {
  cut,
  makeOwnLifeline,
  treesOf,
} from "../../../services/runner/src/containment/lifeline.js";
import { shellOrders } from "../../../services/runner/src/core/shell-orders.js";
import type { StartSpec } from "../../../services/runner/src/core/shell-orders.js";
import { usableCgroup } from "../../../services/runner/src/containment/cgroup.js";
import { LifelineGone, untilGone } from "../../../services/runner/src/containment/tree.js";
import type { Tree } from "../../../services/runner/src/containment/tree.js";
import { eventually, isAlive, startRig } from "./rig.js";
import type { Rig, RunnerProcess } from "./rig.js";

const withCgroups = (await usableCgroup()) !== null;
const scratch = mkdtempSync(join(tmpdir(), "reveille-spares-"));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

/** What a process wrote, and how it ended. */
async function outcome(child: ChildProcess): Promise<{ out: Buffer; err: string; code: unknown }> {
  const out: Buffer[] = [];
  const err: Buffer[] = [];
  child.stdout?.on("data", (chunk: Buffer) => out.push(chunk)).resume();
  child.stderr?.on("data", (chunk: Buffer) => err.push(chunk)).resume();
  const code = await new Promise<unknown>((resolve) => {
    child.once("close", (status, signal) => resolve(signal ?? status));
  });
  return { out: Buffer.concat(out), err: Buffer.concat(err).toString(), code };
}

/** A real tree's first process is a child of this one. */
const started = (tree: Tree): ChildProcess => tree.start() as ChildProcess;

function ordered(spec: StartSpec): Promise<{ out: Buffer; err: string; code: unknown }> {
  const child = spawn("/bin/sh", [], { cwd: "/", env: {}, stdio: ["pipe", "pipe", "pipe"] });
  child.stdin.on("error", () => undefined);
  child.stdin.end(shellOrders(spec));
  return outcome(child);
}
const parts = (out: Buffer): string[] => out.toString().split("\0").slice(0, -1);

/** Everything that means something to a shell, bytes that shells use as marks inside (U+0080..9F), and the rest. */
const nasty = fc.string({
  unit: fc.oneof(
    fc.constantFrom(...Array.from("'\"\\$`!*?~#&|;<>(){}[]%=-\n\r\t \u0001\u007f")),
    fc.integer({ min: 0x80, max: 0x9f }).map((code) => String.fromCodePoint(code)),
    fc.string({ unit: "grapheme", minLength: 1, maxLength: 1 }).filter((one) => one !== "\0"),
  ),
  maxLength: 40,
});
const runs = { numRuns: 60 };

describe("orders, read by the system's shell", () => {
  test("give every argument as it is", async () => {
    const args = fc.array(nasty, { minLength: 1, maxLength: 8 });
    await fc.assert(
      fc.asyncProperty(args, async (values) => {
        const spec = { path: "/usr/bin/printf", args: ["%s\\0", ...values], cwd: "/", env: {} };
        const { out, err, code } = await ordered(spec);
        expect({ values: parts(out), err, code }).toEqual({ values, err: "", code: 0 });
      }),
      runs,
    );
  }, 60_000);

  test("give every variable as it is, and none besides that a shell would not give", async () => {
    const names = fc.stringMatching(/^[A-Z_a-z][A-Za-z0-9_]{1,12}$/);
    await fc.assert(
      fc.asyncProperty(fc.dictionary(names, nasty, { maxKeys: 8 }), async (env) => {
        const spec = { path: "/usr/bin/env", args: ["-0"], cwd: "/tmp", env };
        fc.pre(shellOrders(spec) !== null);
        const { out, err, code } = await ordered(spec);
        const plain = spawn("/bin/sh", ["-c", 'exec "$@"', "sh", "/usr/bin/env", "-0"], {
          cwd: "/tmp",
          env,
          stdio: ["ignore", "pipe", "pipe"],
        });
        const expected = parts((await outcome(plain)).out).toSorted();
        expect({ env: parts(out).toSorted(), err, code }).toEqual({
          env: expected,
          err: "",
          code: 0,
        });
        expect(expected).toEqual(
          expect.arrayContaining(Object.entries(env).map(([name, value]) => `${name}=${value}`)),
        );
      }),
      runs,
    );
  }, 60_000);

  test("cut short anywhere they start nothing", async () => {
    const witness = join(scratch, "cut-short");
    const text = shellOrders({ path: "/usr/bin/touch", args: [witness], cwd: "/", env: {} })!;
    const lengths = Array.from({ length: 12 }, (_, n) => text.length - 2 - n * 3);
    for (const length of lengths) {
      const child = spawn("/bin/sh", [], { env: {}, stdio: ["pipe", "pipe", "pipe"] });
      child.stdin.end(text.slice(0, length));
      await outcome(child);
      expect(existsSync(witness), `after ${length} of ${text.length}`).toBe(false);
    }
  });

  test("fail like a shell does: 127 for what is not there, 119 for a directory that is gone", async () => {
    const missing = await ordered({ path: "/no/such/x", args: [], cwd: "/", env: {} });
    expect(missing).toMatchObject({ code: 127, err: expect.stringContaining("/no/such/x") });
    const gone = await ordered({ path: "/bin/true", args: [], cwd: "/no/such/place", env: {} });
    expect(gone).toMatchObject({ code: 119, err: "" });
  });
});

describe.skipIf(!withCgroups)("a pool of spares", () => {
  const logger = createLogger("spares-test", "silent");
  const open = async (spares: number) => {
    const incarnation = newId();
    const lifeline = await makeOwnLifeline("cgroup", scratch, incarnation);
    const trees = treesOf(lifeline, incarnation, spares, logger);
    await eventually(`${spares} spares`, () => trees.spareCount === spares);
    const end = async (): Promise<void> => {
      trees.close();
      await cut(lifeline, incarnation);
    };
    return { lifeline, trees, end, cut: () => cut(lifeline, incarnation) };
  };
  const run = async (tree: Tree) => {
    const ended = await outcome(started(tree));
    await untilGone(tree, systemClock, {
      tellThem: false,
      killAfterMs: 0,
      onStuck: () => undefined,
    });
    return ended;
  };

  test("a spare's program sees what any other sees: environment, directory, descriptors, its cgroup", async () => {
    const script =
      "env -0; pwd; ls /proc/self/fd | wc -l; readlink /proc/self/fd/0; umask; ps -o sid= -p $$ | tr -d ' '; echo $$";
    const spec = {
      path: "/bin/sh",
      args: ["-c", script],
      cwd: scratch,
      env: { A: "1", PATH: process.env["PATH"]! },
    };
    const seen = [];
    for (const spares of [1, 0]) {
      const { trees, end } = await open(spares);
      const tree = trees.open(newId(), 1, spec);
      expect(tree.spare).toBe(spares === 1);
      const { out, err, code } = await run(tree);
      const lines = out.toString().split("\n");
      // A session of its own.
      expect(lines.at(-3)).toBe(lines.at(-2));
      seen.push({ lines: lines.slice(0, -3), err, code });
      await end();
    }
    expect(seen[0]).toEqual(seen[1]);
    expect(seen[0]?.code).toBe(0);
  });

  test("what a shell cannot be told starts without one, and fails as it always did", async () => {
    const { trees, end } = await open(1);
    const spec = { path: "/bin/true", args: ["a\0b"], cwd: "/", env: {} };
    const tree = trees.open(newId(), 1, spec);
    expect(tree.spare).toBe(false);
    expect(() => tree.start()).toThrow(/null bytes/);
    expect(trees.spareCount).toBe(1);
    await end();
  });

  test("once the lifeline is cut a spare in hand starts nothing, and there is no other", async () => {
    const witness = join(scratch, "after-the-cut");
    const { trees, end, cut: cutNow } = await open(2);
    const spec = { path: "/usr/bin/touch", args: [witness], cwd: "/", env: {} };
    const held = trees.open(newId(), 1, spec);
    expect(held.spare).toBe(true);
    await cutNow();
    const child = started(held);
    if (child.exitCode === null && child.signalCode === null) await outcome(child);
    expect(child.signalCode).toBe("SIGKILL");
    expect(() => trees.open(newId(), 1, spec)).toThrow(LifelineGone);
    expect(existsSync(witness)).toBe(false);
    await end();
  });

  test("a spare that dies is not used, and is replaced", async () => {
    const { lifeline, trees, end } = await open(1);
    const [name] = readdirSync(lifeline.path).filter((one) => one.startsWith("spare."));
    const pid = Number(readFileSync(`${lifeline.path}/${name}/cgroup.procs`, "utf8"));
    process.kill(pid, "SIGKILL");
    // Without giving up the turn: its end is not told to the pool yet.
    const giveUpAt = performance.now() + 5_000;
    while (isAlive(pid) && performance.now() < giveUpAt);
    const tree = trees.open(newId(), 1, { path: "/bin/true", args: [], cwd: "/", env: {} });
    expect(tree.spare).toBe(false);
    expect((await run(tree)).code).toBe(0);
    await eventually("another one", () => trees.spareCount === 1);
    expect(readdirSync(lifeline.path)).not.toContain(name);
    await end();
    expect(existsSync(lifeline.path)).toBe(false);
  });
});

describe.skipIf(!withCgroups)(
  "a runner with spares",
  () => {
    let rig: Rig;
    let port = 0;
    beforeAll(async () => {
      rig = await startRig(scratch);
    });
    afterAll(async () => {
      await rig.stop();
    });

    const metric = async (name: string): Promise<number> => {
      const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
      return Number(
        text
          .split("\n")
          .find((line) => line.startsWith(`${name} `))
          ?.split(" ")[1],
      );
    };
    /** A runner whose spares wait. */
    const ready = async (env: Record<string, string> = {}) => {
      port = await freePort();
      const runner = await rig.runner({
        REVEILLE_HEALTH_PORT: String(port),
        REVEILLE_RUNNER_LEASE_RENEW_MS: "300",
        ...env,
      });
      await eventually("two spares", async () => (await metric("reveille_runner_spares")) === 2);
      const pids = sparesOf(runner);
      expect(pids).toHaveLength(2);
      return { runner, pids };
    };

    test("an idle runner starts from a spare, which holds no slot, and makes another", async () => {
      const { runner } = await ready();
      expect(await metric("reveille_runner_attempts_live")).toBe(0);
      for (const count of [1, 2]) {
        const run = await rig.enqueue({ command: "sh", args: ["-c", "pwd; exit 3"] });
        const { result, containment } = await rig.actor.until("finished", run.runId);
        expect(result).toMatchObject({
          exitCode: 3,
          resultJson: { stdout: `${join(scratch, run.agentId)}\n`, stderr: "" },
        });
        expect(containment).toBe("cgroup");
        expect(await metric('reveille_runner_starts_total{from="spare"}')).toBe(count);
        await eventually("two spares", async () => (await metric("reveille_runner_spares")) === 2);
      }
      expect(await metric('reveille_runner_starts_total{from="spawn"}')).toBe(0);
      expect(runner.lines.filter((line) => line.includes('"process started"'))).toHaveLength(2);
      const pids = sparesOf(runner);
      runner.child.kill("SIGTERM");
      expect(await runner.exited).toBe(0);
      expect(pids.filter(isAlive)).toEqual([]);
    });

    test("kill -9 of the runner: its spares are dead within 3 s, also when its guard is stopped", async () => {
      for (const guardStopped of [false, true]) {
        const { runner, pids } = await ready();
        if (guardStopped) process.kill(runner.guardPid(), "SIGSTOP");
        runner.child.kill("SIGKILL");
        await eventually("spares end", () => !pids.some(isAlive), 3_000);
        if (guardStopped) process.kill(runner.guardPid(), "SIGCONT");
      }
    });

    test("a runner frozen past the deadline with a go on its way: its spares are dead, nothing starts", async () => {
      const witness = join(scratch, "late-go");
      const { runner, pids } = await ready({ REVEILLE_RUNNER_GUARD_DEADLINE_MS: "1500" });
      let asked = 0;
      rig.actor.answer = ({ kind, report }) => {
        if (kind !== "started") return "committed";
        if (report.runId !== run.runId) return "go";
        asked += 1;
        // At its second question its guard knows the claim for certain. Frozen before the answer
        // leaves, it finds the go when it is thawed.
        if (asked === 2) runner.child.kill("SIGSTOP");
        // The guard gives the execution back, and whoever asks for it then gets a no.
        return asked === 1 ? null : asked === 2 ? "go" : "no";
      };
      const run = await rig.enqueue({ command: "touch", args: [witness] });
      await rig.actor.until("lost", run.runId, 15_000);
      expect(pids.filter(isAlive)).toEqual([]);
      runner.child.kill("SIGCONT");
      const next = await rig.enqueue({ command: "true" });
      await rig.actor.until("finished", next.runId);
      expect(existsSync(witness)).toBe(false);
      await eventually("two spares", async () => (await metric("reveille_runner_spares")) === 2);
      expect(sparesOf(runner).filter((pid) => pids.includes(pid))).toEqual([]);
      rig.actor.answer = ({ kind }) => (kind === "started" ? "go" : "committed");
      runner.child.kill("SIGTERM");
      expect(await runner.exited).toBe(0);
    });

    test("0 spares: everything starts without", async () => {
      port = await freePort();
      const env = { REVEILLE_HEALTH_PORT: String(port), REVEILLE_RUNNER_SPARES: "0" };
      const runner = await rig.runner(env);
      const run = await rig.enqueue({ command: "true" });
      expect((await rig.actor.until("finished", run.runId)).result.exitCode).toBe(0);
      expect(await metric('reveille_runner_starts_total{from="spawn"}')).toBe(1);
      expect(sparesOf(runner)).toEqual([]);
      runner.child.kill("SIGTERM");
      expect(await runner.exited).toBe(0);
    });
  },
  60_000,
);

/** Children of a runner that wait in a cgroup of spares. */
function sparesOf({ pid }: RunnerProcess): number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .filter((name) => {
      try {
        const parent = /^PPid:\t(\d+)$/m.exec(readFileSync(`/proc/${name}/status`, "utf8"))?.[1];
        return (
          Number(parent) === pid &&
          /\/spare\.\d+$/m.test(readFileSync(`/proc/${name}/cgroup`, "utf8"))
        );
      } catch {
        return false; // ended meanwhile
      }
    })
    .map(Number);
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address() as AddressInfo;
      server.close(() => resolve(port));
    });
  });
}
