// What services really expose is what the catalogue says, no more and no less, also after work: names, types, labels and their values. And
// the figures that scalers and alerts live on are right: lag, demand and slots of a pool, phases of runs.
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { metricsOf, serviceNames } from "@reveille/shared/runtime/metrics-catalogue";
import type { MetricSpec, ServiceName } from "@reveille/shared/runtime/metrics-catalogue";
import { until } from "../harness/until.js";
import { createAgent, runIsOver, startWholeSystem } from "../harness/whole-system.js";
import type { WholeSystem } from "../harness/whole-system.js";

let system: WholeSystem;
let scratch: string;
let agentId: string;
const ports = {} as Record<ServiceName, number>;

const freePort = (): Promise<number> =>
  new Promise((resolve) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const { port } = server.address() as AddressInfo;
      server.close(() => resolve(port));
    });
  });

interface Sample {
  name: string;
  labels: Record<string, string>;
  value: number;
}
async function scrape(
  service: ServiceName,
): Promise<{ types: [string, string][]; samples: Sample[] }> {
  const response = await fetch(`http://127.0.0.1:${ports[service]}/metrics`);
  expect(response.status).toBe(200);
  expect(response.headers.get("content-type")).toContain("version=0.0.4");
  const text = await response.text();
  const types = [...text.matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(
    ([, name, type]): [string, string] => [name!, type!],
  );
  const samples = [...text.matchAll(/^(\w+)(?:\{(.*)\})? (\S+)$/gm)].map(
    ([, name, labels = "", value]): Sample => ({
      name: name!,
      labels: Object.fromEntries(
        [...labels.matchAll(/(\w+)="([^"]*)"/g)].map(([, key, own]) => [key!, own!]),
      ),
      value: Number(value),
    }),
  );
  return { types, samples };
}
async function valueOf(
  service: ServiceName,
  name: string,
  labels: Record<string, string> = {},
): Promise<number | undefined> {
  const { samples } = await scrape(service);
  return samples.find(
    (sample) =>
      sample.name === name &&
      Object.entries(labels).every(([key, value]) => sample.labels[key] === value),
  )?.value;
}
/** Gateways read anew every five seconds. */
const becomes = (
  service: ServiceName,
  name: string,
  labels: Record<string, string>,
  value: number,
): Promise<unknown> =>
  until(
    `${name} ${JSON.stringify(labels)} is ${value}`,
    async () => (await valueOf(service, name, labels)) === value,
    { describe: () => valueOf(service, name, labels) },
  );

beforeAll(async () => {
  scratch = mkdtempSync(join(tmpdir(), "reveille-metrics-"));
  for (const service of serviceNames) ports[service] = await freePort();
  const port = (service: ServiceName) => ({ REVEILLE_HEALTH_PORT: String(ports[service]) });
  system = await startWholeSystem({
    env: {
      gateway: port("gateway"),
      "agent-actor": port("agent-actor"),
      runner: { ...port("runner"), REVEILLE_RUNNER_SLOTS: "2" },
    },
  });
  // Works for as long as a file says so.
  const agent = await createAgent(
    system,
    `const { existsSync, writeFileSync } = require("node:fs");
     const hold = ${JSON.stringify(scratch)} + "/" + process.env.REVEILLE_TASK_KEY;
     console.log("at work");
     writeFileSync(hold + ".started", "");
     const timer = setInterval(() => { if (!existsSync(hold)) clearInterval(timer); }, 20);`,
    { runtimeConfig: { heartbeat: { maxConcurrentRuns: 3 } } },
  );
  agentId = agent.agentId;
});
afterAll(async () => {
  await system?.stop();
  rmSync(scratch, { recursive: true, force: true });
});

const wake = async (task: string): Promise<string> => {
  const { status, body } = await system.call("POST", `/agents/${agentId}/wakeup`, {
    payload: { taskKey: task },
  });
  expect(status).toBe(202);
  return String(body["id"]);
};

test("the figures of a pool follow its runs, and those of runs their phases", async () => {
  const pool = { pool: "default" };
  await becomes("gateway", "reveille_pool_slots", pool, 2);
  await becomes("gateway", "reveille_pool_runners", pool, 1);
  await becomes("gateway", "reveille_pool_demand", pool, 0);
  await becomes("gateway", "reveille_partitions_unowned", {}, 0);
  await becomes("gateway", "reveille_actor_hosts", {}, 1);
  const tasks = ["one", "two", "three", "four"];
  for (const task of tasks) writeFileSync(join(scratch, task), "");
  const runs = await Promise.all(tasks.map(wake));
  // Three have a slot of the agent, two of them one of the runner; the fourth waits for the agent.
  await becomes("gateway", "reveille_pool_running", pool, 2);
  await becomes("gateway", "reveille_pool_waiting", pool, 1);
  await becomes("gateway", "reveille_pool_demand", pool, 3);
  await becomes("gateway", "reveille_runs_live", { phase: "running" }, 2);
  await becomes("gateway", "reveille_runs_live", { phase: "dispatched" }, 1);
  await becomes("gateway", "reveille_runs_live", { phase: "queued" }, 1);
  expect(await valueOf("runner", "reveille_runner_attempts_live")).toBe(2);
  for (const task of tasks) {
    await until(`${task} is at work or waits`, () => existsSync(join(scratch, task)));
    rmSync(join(scratch, task));
  }
  for (const run of runs) expect((await runIsOver(system, run))["status"]).toBe("succeeded");
  await becomes("gateway", "reveille_pool_demand", pool, 0);
  await becomes("gateway", "reveille_mailbox_lag_messages", {}, 0);
  await becomes("agent-actor", "reveille_partition_lag_messages", {}, 0);
  const counted: [ServiceName, string, Record<string, string>, number][] = [
    ["agent-actor", "reveille_wakes_decided_total", { outcome: "queued" }, 4],
    ["agent-actor", "reveille_runs_ended_total", { status: "succeeded" }, 4],
    ["agent-actor", "reveille_run_start_delay_seconds_count", {}, 4],
    ["agent-actor", "reveille_partition_changes_total", { change: "taken" }, 64],
    ["gateway", "reveille_wakes_total", { outcome: "queued" }, 4],
    ["runner", "reveille_runner_attempts_total", { end: "ran" }, 4],
    ["runner", "reveille_runner_log_bytes_total", {}, 4 * "at work\n".length],
    ["runner", "reveille_runner_claim_seconds_count", {}, 4],
    ["runner", "reveille_runner_lives_total", {}, 1],
  ];
  for (const [service, name, labels, value] of counted)
    expect([name, await valueOf(service, name, labels)]).toEqual([name, value]);
  // Few observations for many messages: at most one a batch.
  const batches = (await valueOf("agent-actor", "reveille_batches_total"))!;
  expect(await valueOf("agent-actor", "reveille_mailbox_wait_seconds_count")).toBe(batches);
});

describe.each(serviceNames)("%s", (service) => {
  const specs = new Map<string, MetricSpec>(metricsOf(service));
  const specOf = (name: string): MetricSpec | undefined =>
    specs.get(name) ?? specs.get(name.replace(/_(bucket|sum|count)$/, ""));

  test("exposes what the catalogue says, no more and no less", async () => {
    const { types } = await scrape(service);
    expect(types).toEqual([...specs].map(([name, { type }]) => [name, type]));
  });

  test("gives its samples the labels of the catalogue, with values of their sets", async () => {
    const { samples } = await scrape(service);
    for (const { name, labels, value } of samples) {
      const spec = specOf(name)!;
      const own = Object.entries(labels).filter(([key]) => key !== "le");
      expect(own.map(([key]) => key).toSorted(), name).toEqual(
        Object.keys(spec.labels ?? {}).toSorted(),
      );
      for (const [key, said] of own) {
        const allowed = spec.labels?.[key];
        if (typeof allowed !== "string") expect(allowed, `${name} ${key}`).toContain(said);
        // Ids are no labels: their number has no bound.
        expect(said, `${name} ${key}`).not.toMatch(/[0-9a-f]{8}-[0-9a-f]{4}-/);
      }
      expect(Number.isFinite(value), name).toBe(true);
    }
  });

  test("has a sample of everything that needs no event", async () => {
    const { samples } = await scrape(service);
    const named = new Set(samples.map(({ name }) => name.replace(/_(bucket|sum|count)$/, "")));
    const missing = [...specs.keys()].filter((name) => !named.has(name));
    expect(missing).toEqual(missing.filter((name) => needsEvents.has(name)));
  });
});
/** Streams are looked at every ten seconds, and nobody was refused. */
const needsEvents = new Set(["reveille_wakes_rejected_total", "reveille_stream_fill_ratio"]);

test("whoever lost the database tells the rest, and no old figure", async () => {
  const { samples } = await scrape("gateway");
  expect(samples.some(({ name }) => name === "reveille_pool_demand")).toBe(true);
  await system.database.query("alter table heartbeat_runs rename to away");
  try {
    await until("the figures of runs are missing", async () => {
      const now = await scrape("gateway");
      const names = new Set(now.samples.map(({ name }) => name));
      return (
        !names.has("reveille_pool_demand") &&
        !names.has("reveille_runs_live") &&
        names.has("reveille_nats_connected")
      );
    });
  } finally {
    await system.database.query("alter table away rename to heartbeat_runs");
  }
  await becomes("gateway", "reveille_pool_demand", { pool: "default" }, 0);
});
