// Wake, run, events, cost, totals and lock of one run are one thing to whoever reads: a reader that looks all the time, while runs of
// every kind begin and end, never sees a half of it (G8).
import { expect, test } from "vitest";
import { watchRows } from "../harness/row-invariants.js";
import { startWholeSystem, type Row } from "../harness/whole-system.js";
import { until } from "../harness/until.js";

/** How its process ends. It reports what it used in the file that the process adapter reads, and then lives a moment or too long. */
const report = `{"usage":{"inputTokens":7,"outputTokens":3,"cachedInputTokens":1},"costUsd":0.0004}`;
const endings: Readonly<Record<string, { script: string; config?: Row; status: string }>> = {
  succeeds: { script: `sleep 0.1`, status: "succeeded" },
  fails: { script: `sleep 0.1; exit 3`, status: "failed" },
  "is too long": { script: `exec sleep 30`, config: { timeoutSec: 1 }, status: "timed_out" },
  "is cancelled": { script: `exec sleep 30`, status: "cancelled" },
  "cannot start": { script: "", config: { command: "no-such-command" }, status: "failed" },
};
const runsOfEach = 6;

test("wake, run, events, cost and lock are consistent at every instant that another connection can see [O8] [B25]", async () => {
  const system = await startWholeSystem({ counts: { agentActors: 2, runners: 2 } });
  const watch = await watchRows(system.stack.endpoints.databaseUrl);
  try {
    const company = await system.call("POST", "/companies", { name: "Watched" });
    const companyId = String(company.body["id"]);
    const issues = await Promise.all(
      Array.from({ length: 4 }, async (_, n) => {
        const title = `Issue ${n}`;
        const { body } = await system.call("POST", `/companies/${companyId}/issues`, { title });
        return String(body["id"]);
      }),
    );
    const expected: string[] = [];
    for (const [name, { script, config, status }] of Object.entries(endings)) {
      const args = ["-c", `echo '${report}' > "$REVEILLE_RESULT_FILE"; ${script}`];
      const { body } = await system.call("POST", `/companies/${companyId}/agents`, {
        name: `Who ${name}`,
        adapterType: "process",
        adapterConfig: { command: "/bin/sh", args, graceSec: 1, ...config },
        runtimeConfig: { heartbeat: { maxConcurrentRuns: 2 } },
      });
      for (let n = 0; n < runsOfEach; n += 1) {
        const issueId = n % 2 === 0 ? issues[n % issues.length] : undefined;
        const payload = issueId ? { issueId } : { taskKey: `T${n}` };
        await system.call("POST", `/agents/${String(body["id"])}/wakeup`, { payload });
        expected.push(status);
      }
    }
    await until(
      "every run is over",
      async () => {
        const { rows } = await system.database.query<Row>(
          `select r.id, r.status from heartbeat_runs r join agents a on a.id = r.agent_id
           where r.status = 'running' and a.name = 'Who is cancelled' and r.cancel_requested_at is null`,
        );
        for (const { id } of rows)
          await system.call("POST", `/heartbeat-runs/${String(id)}/cancel`);
        const open = await system.database.query(
          "select 1 from agent_wakeup_requests where finished_at is null",
        );
        return open.rowCount === 0;
      },
      {
        timeoutMs: 90_000,
        describe: () => system.call("GET", `/companies/${companyId}/live-runs`),
      },
    );
    await watch.stop();
    expect([...watch.violations]).toEqual([]);
    // Some seconds of runs: fewer looks would have seen nothing between two of them.
    expect(watch.looks).toBeGreaterThan(100);

    const { rows } = await system.database.query<{ status: string; n: number; costs: number }>(
      `select r.status, count(*)::int as n, count(c.id)::int as costs from heartbeat_runs r
       left join cost_events c on c.run_id = r.id where r.started_at is not null group by r.status`,
    );
    expect(new Set(rows.map(({ status }) => status))).toEqual(new Set(expected));
    // A run that is cancelled right after its go may not have come to writing what it used.
    for (const { status, n, costs } of rows)
      if (status === "cancelled") expect(costs).toBeLessThanOrEqual(n);
      else if (status !== "failed") expect({ status, costs }).toEqual({ status, costs: n });
  } finally {
    await watch.stop();
    await system.stop();
  }
});
