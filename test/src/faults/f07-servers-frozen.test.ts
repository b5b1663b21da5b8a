// F7: nats-server or Postgres stops answering for seconds while every connection stays open. Nothing is refused for ever, nothing piles
// up, and when it goes on so does everybody.
import { setTimeout as pause } from "node:timers/promises";
import { afterAll, expect, test } from "vitest";
import { clusterOfFile, type Cluster } from "../harness/cluster.js";
import { fullForm, inForm } from "../harness/fault-form.js";
import { openLoad } from "../harness/load.js";
import { startTestPostgres, type TestPostgres } from "../harness/postgres.js";
import { residentBytes } from "../harness/process-usage.js";
import { openRecovery } from "../harness/recovery.js";
import { until } from "../harness/until.js";

/** Longer than a connection to Postgres may take to get (5 s), so that callers are seen to be refused. */
const frozenMs = inForm({ nats: 4_000, postgres: 6_500 }, { nats: 12_000, postgres: 12_000 });
/** The bars for a server that was killed and restarted hold for one that only stood still. */
const goesOnMs = { nats: 3_000, postgres: 5_000 };
/** HTTP callers while the server stands still: three times what a gateway has connections. */
const callers = 30;
/** A gateway's own patience with a verdict (10 s) and a statement (15 s), and some for a busy machine. */
const answeredMs = 20_000;
/** Per process: what a batch, 30 requests and their answers need, and a collector that has not run yet. */
const growthMax = 64 * 1024 * 1024;
const wakeCount = inForm(60, 200);

let postgres: TestPostgres;
// Hooks run backwards: the servers and links go after those who use them.
afterAll(() => postgres.stop());
const cluster = clusterOfFile(async () => {
  postgres = await startTestPostgres();
  return { postgres };
});

interface Answer {
  status: number;
  retryAfter: number | null;
  tookMs: number;
}
async function postWake(base: string, agentId: string): Promise<Answer> {
  const from = performance.now();
  const response = await fetch(`${base}/api/agents/${agentId}/wakeup`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ payload: { taskKey: "asked" } }),
    signal: AbortSignal.timeout(answeredMs * 2),
  });
  const retryAfter = response.headers.get("retry-after");
  await response.text();
  return {
    status: response.status,
    retryAfter: retryAfter === null ? null : Number(retryAfter),
    tookMs: performance.now() - from,
  };
}

/** Resident bytes of every service, by name and number. */
const memory = (system: Cluster): Map<string, number> =>
  new Map(
    (["gateway", "agent-actor", "runner"] as const).flatMap((name) =>
      [0, 1].map(
        (index) => [`${name} ${index}`, residentBytes(system.process(name, index).pid!)] as const,
      ),
    ),
  );

const faults = {
  nats: {
    freeze: () => cluster().nats.freeze(),
    thaw: () => cluster().nats.thaw(),
  },
  postgres: {
    freeze: () => {
      expect(postgres.freeze()).toBeGreaterThan(5);
    },
    thaw: () => postgres.thaw(),
  },
};

test.each(["nats", "postgres"] as const)(
  "[F7] %s stands still under load: callers are answered in time, memory is bounded, all goes on",
  async (server) => {
    const load = await openLoad(cluster(), { name: server });
    const recovery = await openRecovery(cluster());
    const asked = await cluster().agents(1, 50);
    const published = load.more(wakeCount);
    await load.started(wakeCount / 6);
    const before = memory(cluster());
    const frozenAt = performance.now();
    faults[server].freeze();
    const answers = Promise.all(
      Array.from({ length: callers }, (_, n) =>
        postWake(cluster().gateway(n % 2), asked[0]!.agentId),
      ),
    );
    const health = await fetch(`${cluster().gateway(0)}/api/health`);
    expect([health.status, await health.json()]).toMatchObject([
      503,
      { details: { [server]: "away" } },
    ]);
    await pause(Math.max(0, frozenMs[server] - (performance.now() - frozenAt)));
    faults[server].thaw();
    const took = await recovery.tookMs();
    process.stderr.write(`${server}: works again after ${Math.round(took)} ms\n`);
    expect(took).toBeLessThan(goesOnMs[server]);

    const seen = await answers;
    const longest = Math.max(...seen.map(({ tookMs }) => tookMs));
    const refused = seen.filter(({ status }) => status === 503).length;
    process.stderr.write(
      `${server}: ${refused} of ${callers} refused, ${Math.round(longest)} ms at most\n`,
    );
    // In the short form NATS stands still for less than a gateway's patience.
    if (server === "postgres" || fullForm) expect(refused).toBeGreaterThan(0);
    for (const { status, retryAfter, tookMs } of seen) {
      expect([202, 503]).toContain(status);
      if (status === 503) expect(retryAfter).toBeGreaterThan(0);
      expect(tookMs).toBeLessThan(answeredMs);
    }
    await published;
    await load.settle({ order: "stored", again: true });
    await cluster().expectAllWell(recovery.wakes, recovery.agents, "stored");
    expect(await load.outcomes()).toEqual([
      { status: "succeeded", attempt: 1, n: expect.any(Number) },
    ]);
    await until("the gateway is well", async () =>
      fetch(`${cluster().gateway(0)}/api/health`).then(({ ok }) => ok),
    );
    const grown = [...memory(cluster())].map(([name, bytes]) => [name, bytes - before.get(name)!]);
    expect(grown.filter(([, bytes]) => Number(bytes) > growthMax)).toEqual([]);
  },
);
