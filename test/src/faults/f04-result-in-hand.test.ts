// F4: a runner dies between the end of a process and the commit of its result. What its guard or JetStream has counts; what only the
// dead runner knew is lost, and its attempt is repeated under another number or the run fails: never run again as if nothing had been.
import { expect, test } from "vitest";
import { clusterOfFile, type Agent } from "../harness/cluster.js";
import { inForm } from "../harness/fault-form.js";
import { addAgent, wakeOf } from "../harness/run-evidence.js";
import { runnerTiming, shortRunnerLeases } from "../harness/runner-process.js";
import { until } from "../harness/until.js";
import type { Wake } from "../harness/wake-client.js";

const cluster = clusterOfFile({ env: shortRunnerLeases });

/** Whether the process had run to its end when the runner died, and whether its result was lost with it. */
const places = [
  { place: "after-go", ran: false, lost: true },
  { place: "after-exit", ran: true, lost: true },
  { place: "before-report", ran: true, lost: false },
  { place: "after-report", ran: true, lost: false },
] as const;
const rounds = inForm(1, 5);
const agentCount = 10;
const wakeCount = 60;

interface EndedRun {
  id: string;
  agent_id: string;
  status: string;
  attempt: number;
  losses: number;
  error_code: string | null;
  told: number;
}

/** Half of the agents may repeat a lost attempt, half may not. */
async function makeAgents(): Promise<{ agents: Agent[]; final: ReadonlySet<string> }> {
  const half = agentCount / 2;
  const short = cluster().witness.agent(30, true);
  const repeated = await cluster().agents(half, 30);
  const final = await Promise.all(
    Array.from({ length: half }, () => addAgent(cluster(), short, { retry: { lost: 0 } })),
  );
  return { agents: [...repeated, ...final], final: new Set(final.map((one) => one.agentId)) };
}

test.each(places)(
  "[F4] kill -9 at $place: counted, told, and started again only under another number",
  async ({ place, ran, lost }) => {
    for (let round = 0; round < rounds; round += 1) {
      const { agents, final } = await makeAgents();
      const doomed = await cluster().system.stack.start("runner", {
        ...runnerTiming,
        // Not the first: others are under way beside it then.
        REVEILLE_FAILPOINT: `${place}:${3 + round}`,
      });
      const wakes: Wake[] = Array.from({ length: wakeCount }, (_, n) =>
        wakeOf(agents[n % agentCount]!, `${place}-${round}-${n}`),
      );
      await cluster().client.wakeAll(wakes);
      await until("the runner is dead", () => doomed.pid === undefined, {
        describe: () => cluster().logs(),
      });
      expect(cluster().log("runner", doomed.index)).toContain(`failpoint ${place} was hit`);
      await cluster().atRest(wakes, 60_000);
      await cluster().expectAllWell(wakes, agents);

      const runs = await cluster().rows<EndedRun>(
        `select r.id, r.agent_id, r.status, r.attempt, r.losses, r.error_code,
          (select count(*)::int from heartbeat_run_events e where e.run_id = r.id and e.message like 'attempt % lost: %') as told
         from heartbeat_runs r where agent_id = any($1)`,
        [agents.map(({ agentId }) => agentId)],
      );
      expect(runs).toHaveLength(wakeCount);
      judge(runs, final);
      const hit = runs.filter((run) => run.attempt > 1 || run.error_code === "process_lost");
      if (place === "before-report")
        expect(cluster().log("runner", doomed.index)).toMatch(/"results":[1-9]/);
      if (lost) expect(hit.length).toBeGreaterThan(0);
      // One of them is the one at the place: its process has never been, or was at its end.
      const ends = countLines("end");
      const starts = countLines("start");
      if (lost && ran)
        expect(hit.some(({ id, attempt }) => (ends.get(id) ?? 0) > Number(attempt > 1))).toBe(true);
      if (!ran)
        expect(hit.some(({ id, attempt }) => (starts.get(id) ?? 0) === attempt - 1)).toBe(true);
    }
  },
);

/** Every attempt that was lost is counted and told, and nothing was started more often than that. */
function judge(runs: readonly EndedRun[], final: ReadonlySet<string>): void {
  const starts = countLines("start");
  for (const run of runs) {
    expect(run).toMatchObject({ attempt: run.losses + 1, told: run.losses });
    expect(starts.get(run.id) ?? 0).toBeLessThanOrEqual(run.attempt);
    if (final.has(run.agent_id)) expect(run.attempt).toBe(1);
    else expect(run.status).toBe("succeeded");
    if (run.status !== "succeeded")
      expect(run).toMatchObject({ status: "failed", error_code: "process_lost" });
  }
}

/** By run. */
function countLines(what: "start" | "end"): Map<string, number> {
  const counts = new Map<string, number>();
  for (const line of cluster().witness.lines())
    if (line.what === what) counts.set(line.runId, (counts.get(line.runId) ?? 0) + 1);
  return counts;
}
