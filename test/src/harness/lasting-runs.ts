// Owns a load for faults of runners: runs that live until they are released, some for issues, some of agents whose lost attempts are
// not repeated, and short ones beside them. Breaks the runner under some of them and measures how long they are without a process.
import { rmSync } from "node:fs";
import { join } from "node:path";
import { expect } from "vitest";
import type { Agent, Cluster } from "./cluster.js";
import { addAgent, runOf, wakeOf } from "./run-evidence.js";
import { besides, runnerOf } from "./runner-process.js";
import { until } from "./until.js";
import type { Wake } from "./wake-client.js";

export interface LastingRuns {
  readonly lasting: readonly Wake[];
  /** Harms the runner under one of them, and waits until each that it had has another attempt that lives, or an end. */
  harm(cause: (runnerPid: number, runs: LastingRuns) => Promise<void> | void): Promise<Harmed>;
  /** Lasting runs whose row and whose witness say that they live, by wake id, with their attempts. */
  alive(): Promise<Map<string, number>>;
  /** Releases them, waits for the end of everything, has it judged: also that each lost attempt was counted and told. */
  settle(): Promise<void>;
}
export interface Harmed {
  tookMs: number;
  /** Wake ids of the lasting runs that the runner had. */
  hit: string[];
}

const repeatedCount = 6;
const issueCount = 4;
const finalCount = 2;
const busyCount = 6;
const shortCount = 30;
/** Longer than any bar of those that use this. */
const settleMs = 40_000;
/** Measured: 2 to 3 s; the rest is for a busy machine. */
const restMs = 60_000;

/** Resolves when all lasting runs live. `name` makes the wakes' ids; earlier runs of this kind must have been settled. */
export async function openLastingRuns(cluster: Cluster, name: string): Promise<LastingRuns> {
  const { witness } = cluster;
  rmSync(join(witness.dir, "release"), { force: true });
  const once = { retry: { lost: 0 } };
  const [repeated, final, busy, issues] = await Promise.all([
    cluster.agents(repeatedCount, "released"),
    Promise.all(
      Array.from({ length: finalCount }, () =>
        addAgent(cluster, witness.agent("released", true), once),
      ),
    ),
    cluster.agents(busyCount, "random"),
    cluster.issues(issueCount),
  ]);
  const lasting = [...repeated, ...final].map((agent, n): Wake => {
    const wake = wakeOf(agent, `${name}-lasting-${n}`);
    return n < issueCount ? { ...wake, payload: { issueId: issues[n]! } } : wake;
  });
  const short = Array.from({ length: shortCount }, (_, n) =>
    wakeOf(busy[n % busyCount]!, `${name}-short-${n}`),
  );
  const runs = new WitnessedRuns(cluster, {
    lasting,
    wakes: [...lasting, ...short],
    agents: [...repeated, ...final, ...busy],
    final: new Set(final.map(({ agentId }) => agentId)),
  });
  await cluster.client.wakeAll([...lasting, ...short]);
  await until("all live", async () => (await runs.alive()).size === lasting.length, {
    describe: () => cluster.logs(),
  });
  return runs;
}

interface Parts {
  lasting: readonly Wake[];
  wakes: readonly Wake[];
  agents: readonly Agent[];
  /** Ids of agents whose lost attempts are not repeated. */
  final: ReadonlySet<string>;
}

class WitnessedRuns implements LastingRuns {
  readonly lasting: readonly Wake[];
  readonly #cluster: Cluster;
  readonly #parts: Parts;

  constructor(cluster: Cluster, parts: Parts) {
    this.#cluster = cluster;
    this.#parts = parts;
    this.lasting = parts.lasting;
  }

  async alive(): Promise<Map<string, number>> {
    const started = new Set(
      this.#cluster.witness
        .lines()
        .filter(({ what }) => what === "start")
        .map(({ runId, attempt }) => `${runId}:${attempt}`),
    );
    const rows = await Promise.all(this.lasting.map((wake) => runOf(this.#cluster, wake)));
    return new Map(
      rows.flatMap((run, at): [string, number][] =>
        run?.phase === "running" && started.has(`${run.id}:${run.attempt}`)
          ? [[this.lasting[at]!.id, run.attempt]]
          : [],
      ),
    );
  }

  async harm(
    cause: (runnerPid: number, runs: LastingRuns) => Promise<void> | void,
  ): Promise<Harmed> {
    const cluster = this.#cluster;
    // One that is repeated: there is something to wait for.
    const victim = this.lasting.find(({ agentId }) => !this.#parts.final.has(agentId))!;
    const pid = await runnerOf(cluster, victim.id);
    const own = new Set(this.lasting.map(({ id }) => id));
    const hit = (await besides(cluster, victim.id)).filter((id) => own.has(id));
    const before = await this.alive();
    expect(hit.filter((id) => !before.has(id))).toEqual([]);
    const began = performance.now();
    await cause(pid, this);
    const settled = async (): Promise<boolean> => {
      const now = await this.alive();
      const over = await cluster.rows<{ id: string }>(
        "select wake_id as id from heartbeat_runs where phase = 'over' and wake_id = any($1)",
        [hit],
      );
      const ended = new Set(over.map(({ id }) => id));
      return hit.every((id) => ended.has(id) || (now.get(id) ?? 0) > before.get(id)!);
    };
    await until("each has a new attempt or an end", settled, {
      timeoutMs: settleMs,
      describe: async () => ({ hit, alive: [...(await this.alive())], logs: cluster.logs() }),
    });
    return { tookMs: performance.now() - began, hit };
  }

  async settle(): Promise<void> {
    const cluster = this.#cluster;
    const { wakes, agents, final } = this.#parts;
    cluster.witness.release();
    await cluster.atRest(wakes, restMs);
    await cluster.expectAllWell(wakes, agents);
    const runs = await cluster.rows<{
      agent_id: string;
      status: string;
      attempt: number;
      losses: number;
      error_code: string | null;
      told: number;
    }>(
      `select r.agent_id, r.status, r.attempt, r.losses, r.error_code,
        (select count(*)::int from heartbeat_run_events e where e.run_id = r.id and e.message like 'attempt % lost: %') as told
       from heartbeat_runs r where agent_id = any($1)`,
      [agents.map(({ agentId }) => agentId)],
    );
    for (const run of runs) {
      expect(run).toMatchObject({ attempt: run.losses + 1, told: run.losses });
      if (run.status !== "succeeded")
        expect(run).toMatchObject({ status: "failed", error_code: "process_lost" });
      if (final.has(run.agent_id)) expect(run.attempt).toBe(1);
    }
  }
}
