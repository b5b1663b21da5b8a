// The supervisor behind `npm start`, with stand-ins for the services: order, restarts, what it publishes, and what it does after it
// was itself killed. The servers are real.
import { spawn, type ChildProcess } from "node:child_process";
import { existsSync, readFileSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DataDirBusy } from "@reveille/local/data-dir";
import type { Endpoints } from "@reveille/local/endpoints";
import { eventually } from "@reveille/local/polling";
import { identify, signal } from "@reveille/local/process-identity";
import { startStack, type Stack, type StackOptions } from "@reveille/local/up";
import { expect, onTestFinished, test } from "vitest";
import { scratchFolder } from "./harness/scratch.js";

/** Says ready like a service, and leaves its environment and its end in files that a test can read. */
const standIn = `
import { appendFileSync, writeFileSync } from "node:fs";
const { REVEILLE_DATA_DIR: dir, WITNESS: name } = process.env;
const picked = Object.fromEntries(Object.entries(process.env).filter(([key]) => /^(REVEILLE_|NATS_|DATABASE_)/.test(key)));
writeFileSync(dir + "/" + name + ".env.json", JSON.stringify(picked));
const end = () => { appendFileSync(dir + "/ended.txt", name + "\\n"); process.exit(0); };
process.on("SIGTERM", end);
process.on("disconnect", end);
process.send({ type: "ready", http: "http://127.0.0.1:" + process.env.REVEILLE_HTTP_PORT });
setInterval(() => {}, 1000);
`;

function stackOptions(dataDir: string, parent: string): StackOptions {
  const entry = join(parent, "stand-in.mjs");
  writeFileSync(entry, standIn);
  return {
    dataDir,
    httpPort: 4711,
    fsync: false,
    entries: { gateway: entry, "agent-actor": entry, runner: entry },
    env: {
      gateway: { WITNESS: "gateway" },
      "agent-actor": { WITNESS: "agent-actor" },
      runner: { WITNESS: "runner" },
    },
  };
}

async function start(options: StackOptions): Promise<Stack> {
  const stack = await startStack(options);
  onTestFinished(() => stack.stop());
  return stack;
}

const published = (dataDir: string): Endpoints =>
  JSON.parse(readFileSync(join(dataDir, "endpoints.json"), "utf8")) as Endpoints;
const allPids = (endpoints: Endpoints): number[] => Object.values(endpoints.pids).flat();

test("brings everything up, publishes it, refuses a second start, stops in order, and goes on where it was", async () => {
  const parent = scratchFolder("stack");
  const dataDir = join(parent, "data");
  const stack = await start(stackOptions(dataDir, parent));
  expect(stack.dataDir.isNew).toBe(true);
  const endpoints = published(dataDir);
  expect(endpoints).toEqual(stack.endpoints);
  expect(endpoints.http).toBe("http://127.0.0.1:4711");
  expect(Object.values(endpoints.pids).map((pids) => pids.length)).toEqual([1, 1, 1, 1, 1]);
  expect(statSync(join(dataDir, "endpoints.json")).mode & 0o777).toBe(0o600);

  const env = JSON.parse(readFileSync(join(dataDir, "runner.env.json"), "utf8")) as object;
  expect(env).toMatchObject({
    NATS_URL: stack.natsUrlOf("runner-default"),
    DATABASE_URL: "",
    REVEILLE_API_URL: endpoints.http,
    REVEILLE_SUBJECT_PREFIX: "rv",
  });

  const refusal = await startStack(stackOptions(dataDir, parent)).catch((error: unknown) => error);
  expect(refusal).toBeInstanceOf(DataDirBusy);
  expect(refusal).toMatchObject({ pid: process.pid, http: endpoints.http });
  expect(published(dataDir)).toEqual(endpoints);

  await stack.stop();
  expect(readFileSync(join(dataDir, "ended.txt"), "utf8")).toBe("runner\nagent-actor\ngateway\n");
  expect(existsSync(join(dataDir, "endpoints.json"))).toBe(false);
  expect(allPids(endpoints).filter((pid) => identify(pid))).toEqual([]);

  const began = performance.now();
  const again = await start(stackOptions(dataDir, parent));
  const tookMs = performance.now() - began;
  expect(again.dataDir.isNew).toBe(false);
  // The bar for a warm start of the whole system is 10 s; servers and processes alone should leave most of it. Measured 0.6 s.
  expect(tookMs).toBeLessThan(5_000);
});

test("starts again what was killed, servers on the same ports, and publishes the new pids", async () => {
  const parent = scratchFolder("stack");
  const dataDir = join(parent, "data");
  const stack = await start(stackOptions(dataDir, parent));
  const before = stack.endpoints;
  for (const name of ["agent-actor", "nats", "postgres"] as const) {
    expect(stack.kill(name, 0, "SIGKILL")).toBe(true);
    const replaced = await eventually(`new ${name}`, 20_000, () => {
      const [pid] = published(dataDir).pids[name];
      return pid !== undefined && pid !== before.pids[name][0] ? pid : undefined;
    });
    expect(identify(replaced)).toBeDefined();
  }
  const { nats, databaseUrl } = published(dataDir);
  expect({ nats, databaseUrl }).toEqual({ nats: before.nats, databaseUrl: before.databaseUrl });
});

test("leaves the dead dead when told so, adds processes, and ends a frozen one", async () => {
  const parent = scratchFolder("stack");
  const stack = await start({ ...stackOptions(join(parent, "data"), parent), restart: false });
  const second = await stack.start("runner", { WITNESS: "runner-1" });
  expect(stack.endpoints.pids.runner).toHaveLength(2);
  stack.kill("runner", 0, "SIGKILL");
  await eventually(
    "end of runner 0",
    5_000,
    () => stack.service("runner")[0]?.pid === undefined || undefined,
  );
  expect(stack.endpoints.pids.runner).toEqual([second.pid]);
  stack.kill("runner", 1, "SIGSTOP");
  await second.stop(200);
  expect(stack.endpoints.pids.runner).toEqual([]);
});

test("a service that cannot start fails the start with the end of its log, and nothing stays behind", async () => {
  const parent = scratchFolder("stack");
  const dataDir = join(parent, "data");
  const broken = join(parent, "broken.mjs");
  writeFileSync(broken, `console.error("DATABASE_URL: is not what I need"); process.exit(2);`);
  const options = stackOptions(dataDir, parent);
  const failing = { ...options, entries: { ...options.entries, gateway: broken } };
  await expect(startStack(failing)).rejects.toThrow(/gateway-0 ended with 2[^]*is not what I need/);
  const children = JSON.parse(readFileSync(join(dataDir, "children.json"), "utf8")) as {
    pid: number;
  }[];
  expect(children.filter(({ pid }) => identify(pid))).toEqual([]);
  expect(existsSync(join(dataDir, "endpoints.json"))).toBe(false);
});

test("takes over from a supervisor that was killed, and ends what it left running", async () => {
  const parent = scratchFolder("stack");
  const dataDir = join(parent, "data");
  const options = stackOptions(dataDir, parent);
  const supervisor = await startInProcess(options);
  const left = published(dataDir);
  signal(supervisor.pid ?? 0, "SIGKILL");
  await new Promise((resolve) => supervisor.once("exit", resolve));
  expect(identify(left.pids.postgres[0] ?? 0)).toBeDefined();

  const stack = await start(options);
  expect(allPids(left).filter((pid) => identify(pid))).toEqual([]);
  expect(stack.dataDir.isNew).toBe(false);
  expect(readdirSync(join(dataDir, "lock"))).toHaveLength(1);
});

async function startInProcess(options: StackOptions): Promise<ChildProcess> {
  const module = new URL("../../deploy/local/dist/up.js", import.meta.url).href;
  const script = `const { startStack } = await import(${JSON.stringify(module)});
    await startStack(${JSON.stringify(options)}); process.send("up");`;
  const child = spawn(process.execPath, ["--input-type=module", "-e", script], {
    stdio: ["ignore", "inherit", "inherit", "ipc"],
  });
  onTestFinished(() => void child.kill("SIGKILL"));
  await new Promise((resolve, reject) => {
    child.once("message", resolve);
    child.once("exit", (code) => reject(new Error(`the supervisor ended with ${code}`)));
  });
  return child;
}
