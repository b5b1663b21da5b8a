// Points 15, 16 and 30 on the built services, started with the environment that the manifests give them; and the Job that makes streams
// and consumers before there is an actor host.
import { spawnSync } from "node:child_process";
import { randomUUID } from "node:crypto";
import { copyFileSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import pg from "pg";
import { connectBus, type NatsBus } from "@reveille/shared/nats/bus";
import { migrate } from "@reveille/shared/postgres/migrate";
import { defaultPartitionCount } from "@reveille/shared/protocol/partition";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { serviceNats, startTestNats, type TestNats } from "../harness/nats.js";
import { natsServerBin, sharedPostgresUrl } from "../harness/provided.js";
import { until } from "../harness/until.js";
import { codeFacts, type Environment, type Facts } from "./facts.js";
import { points } from "./points.js";
import { readableEnvironment } from "./points/configuration.js";
import { parseRendering, readRendered } from "./rendering.js";
import { observe, run, start, type Program } from "./started-services.js";
import { servicesOf } from "./workloads.js";

const services = ["gateway", "agent-actor", "runner"] as const;
type Service = (typeof services)[number];

const production = parseRendering("production", readRendered("production"), []);
const scratch = mkdtempSync(join(tmpdir(), "reveille-k8s-"));
let nats: TestNats;
let bus: NatsBus;
let oldSchema: string;
let databaseUrl: string;

async function createDatabase(): Promise<string> {
  const name = `t_${randomUUID().replaceAll("-", "")}`;
  const url = new URL(sharedPostgresUrl());
  const client = new pg.Client({ connectionString: url.href });
  await client.connect();
  try {
    await client.query(`create database ${name}`);
  } finally {
    await client.end();
  }
  url.pathname = `/${name}`;
  return url.href;
}

beforeAll(async () => {
  [nats, oldSchema, databaseUrl] = await Promise.all([
    startTestNats(),
    createDatabase(),
    createDatabase(),
  ]);
  bus = await connectBus({ url: nats.serviceUrl, name: "k8s-test", inboxPrefix: "_INBOX_rig" });
});
afterAll(async () => {
  await bus?.close();
  await nats?.stop();
  rmSync(scratch, { recursive: true, force: true });
});

/** As the pod of `production` has it, with this machine's servers; credentials are in the address here. */
function podEnvironment(name: Service, database: string): Environment {
  const workload = servicesOf(production).find(({ component }) => component === name);
  const container = workload?.containers[0];
  if (!container) throw new Error(`production has no ${name}`);
  const given = Object.entries(readableEnvironment(production, container)).filter(
    ([variable]) => !variable.endsWith("_FILE"),
  );
  return {
    ...(Object.fromEntries(given) as Environment),
    ...serviceNats(nats.serviceUrl, name),
    ...(name === "runner" ? { REVEILLE_DATA_DIR: scratch } : { DATABASE_URL: database }),
    // One server here, with what a test's disk has; and nobody else may reach it.
    ...(name === "agent-actor" ? { REVEILLE_JETSTREAM_REPLICAS: "1" } : {}),
    ...(name === "gateway" ? { REVEILLE_HTTP_HOST: "127.0.0.1" } : {}),
    REVEILLE_HEALTH_HOST: "127.0.0.1",
  };
}
const topologyEnvironment = (more: Environment = {}): Environment => ({
  DATABASE_URL: databaseUrl,
  ...serviceNats(nats.serviceUrl, "agent-actor"),
  REVEILLE_RUNNER_POOLS: "default,gpu",
  ...more,
});
const faultsOf = (numbers: readonly number[], facts: Facts): string[] =>
  points
    .filter(({ number }) => numbers.includes(number))
    .flatMap(({ check }) => check(production, facts));

test("services refuse to start on an older schema, and say what to do", async () => {
  const refusesOldSchema: Record<string, boolean> = {};
  for (const name of ["gateway", "agent-actor"] as const) {
    const { code, output } = await run(name, podEnvironment(name, oldSchema));
    refusesOldSchema[name] = code !== 0 && /reveille migrate/.test(output);
  }
  expect(refusesOldSchema).toEqual({ gateway: true, "agent-actor": true });
  expect(faultsOf([30], { ...codeFacts(), refusesOldSchema })).toEqual([]);
});

describe("topology apply", () => {
  const consumers = async (): Promise<string[]> => {
    const names: string[] = [];
    for await (const { name } of bus.jsm.consumers.list("EXEC")) names.push(name);
    return names.toSorted();
  };
  let host: Program | undefined;
  afterAll(async () => {
    host?.child.kill("SIGKILL");
    await host?.exited;
  });

  test("does nothing before the schema is there", async () => {
    const { code, output } = await run("reveille", topologyEnvironment(), ["topology", "apply"]);
    expect(code).toBe(3);
    expect(output).toMatch(/reveille migrate/);
    await migrate(databaseUrl, { partitionCount: defaultPartitionCount });
  });

  test("makes streams, buckets and the consumers of the pools, and changes nothing the second time", async () => {
    const first = await run("reveille", topologyEnvironment(), ["topology", "apply"]);
    expect(first).toMatchObject({ code: 0 });
    expect(first.output).toMatch(/MAILBOX: created/);
    expect(await consumers()).toEqual(["exec_default", "exec_gpu"]);
    const again = await run("reveille", topologyEnvironment(), ["topology", "apply", "--json"]);
    const applied = JSON.parse(again.output) as { kept: string; changes: { change: string }[] };
    expect(applied.kept).toBe("here");
    expect(new Set(applied.changes.map(({ change }) => change))).toEqual(new Set(["none"]));
  });

  test("leaves streams to a host that keeps them, and still makes the consumer of a new pool", async () => {
    host = start("agent-actor", podEnvironment("agent-actor", databaseUrl));
    const database = new pg.Client({ connectionString: databaseUrl });
    await database.connect();
    try {
      await until(
        "a host keeps the topology and owns partitions",
        async () => {
          const { rows } = await database.query(
            "select 1 from mailbox_state where keeper is not null and exists (select 1 from partitions where epoch > 0)",
          );
          return rows.length > 0;
        },
        { timeoutMs: 60_000, describe: host.output },
      );
    } finally {
      await database.end();
    }
    const env = topologyEnvironment({ REVEILLE_RUNNER_POOLS: "default,gpu,large" });
    const { code, output } = await run("reveille", env, ["topology", "apply"]);
    expect({ code, output }).toMatchObject({ code: 0 });
    expect(output).toMatch(/are kept by host/);
    expect(await consumers()).toEqual(["exec_default", "exec_gpu", "exec_large"]);
    host.child.kill("SIGTERM");
    expect(await host.exited).toBe(0);
  });

  test("never makes a lost mailbox stream in its old generation", async () => {
    await bus.jsm.streams.delete("MAILBOX");
    const free = new pg.Client({ connectionString: databaseUrl });
    await free.connect();
    // The host is gone; its election ends by itself within ten seconds.
    await free.query("update mailbox_state set keeper_until = now() - interval '1 second'");
    await free.end();
    const { code, output } = await run("reveille", topologyEnvironment(), ["topology", "apply"]);
    expect(code).toBe(1);
    expect(output).toMatch(/in a new generation/);
    const names: string[] = [];
    for await (const { config } of bus.jsm.streams.list()) names.push(config.name);
    expect(names).not.toContain("MAILBOX");
  });
});

test("the server of nats-dev takes what nats-config writes, with the listeners that its Services have", async () => {
  const folder = join(scratch, "nats");
  const args = ["nats-config", "--out", join(folder, "server"), "--listen", "0.0.0.0:4222"];
  const more = ["--http", "0.0.0.0:8222", "--store", join(scratch, "store")];
  const written = await run("reveille", {}, [...args, ...more]);
  expect(written).toMatchObject({ code: 0 });
  const own = new URL("../../../deploy/k8s/components/nats-dev/nats.conf", import.meta.url);
  copyFileSync(own, join(folder, "nats.conf"));
  const { status, stderr } = spawnSync(natsServerBin(), ["-t", "-c", join(folder, "nats.conf")], {
    encoding: "utf8",
    timeout: 30_000,
  });
  expect({ status, stderr }).toMatchObject({ status: 0 });
});

test("the probes' paths answer, and readiness says no within a second of SIGTERM", async () => {
  const behaviour: Record<string, Facts["behaviour"][string]> = {};
  // The actor host makes what the others need, and is observed for itself after.
  const host = start("agent-actor", podEnvironment("agent-actor", databaseUrl));
  try {
    await until(
      "the streams are there",
      () =>
        bus.jsm.streams.info("MAILBOX").then(
          () => true,
          () => false,
        ),
      {
        timeoutMs: 60_000,
        describe: host.output,
      },
    );
    for (const name of services)
      behaviour[name] = await observe(name, podEnvironment(name, databaseUrl));
  } finally {
    host.child.kill("SIGKILL");
    await host.exited;
  }
  const facts = { ...codeFacts(), behaviour };
  expect(Object.keys(behaviour)).toEqual([...services]);
  expect(faultsOf([15, 16], facts)).toEqual([]);
});
