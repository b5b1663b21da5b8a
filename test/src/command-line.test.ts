// The `reveille` command as people and scripts use it: as a process, judged by its output and exit code.
import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createAgent, startWholeSystem, type WholeSystem } from "./harness/whole-system.js";

const bin = fileURLToPath(new URL("../../cli/bin/reveille.mjs", import.meta.url));
let system: WholeSystem;

beforeAll(async () => {
  system = await startWholeSystem();
  const { companyId } = await createAgent(
    system,
    `process.stdout.write("one\\n"); process.stderr.write("two\\n")`,
    { name: "Good" },
  );
  await createAgent(system, "process.exit(3)", { companyId, name: "Bad" });
  await createAgent(system, `console.log("begin"); setTimeout(() => {}, 60_000)`, {
    companyId,
    name: "Long",
  });
  await createAgent(system, "process.exit(0)", {
    companyId,
    name: "Deaf",
    runtimeConfig: { heartbeat: { wakeOnDemand: false } },
  });
});
afterAll(async () => {
  await system?.stop();
});

interface Ended {
  code: number;
  stdout: string;
  stderr: string;
}
const reveille = (...args: string[]): Promise<Ended> => reveilleAs(undefined, ...args);
/** With a credential in its environment. */
function reveilleAs(apiKey: string | undefined, ...args: string[]): Promise<Ended> {
  const env: NodeJS.ProcessEnv = {
    ...process.env,
    REVEILLE_DATA_DIR: system.stack.dataDir.root,
    NO_COLOR: "1",
    REVEILLE_API_KEY: apiKey,
  };
  for (const name of ["NATS_URL", "DATABASE_URL", "REVEILLE_API_URL", "REVEILLE_COMPANY_ID"])
    delete env[name];
  return new Promise((resolve) => {
    execFile(
      process.execPath,
      [bin, ...args],
      { env, timeout: 30_000 },
      (error, stdout, stderr) => {
        const code = typeof error?.code === "number" ? error.code : error ? -1 : 0;
        resolve({ code, stdout, stderr });
      },
    );
  });
}
const records = (text: string): Record<string, unknown>[] =>
  text
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Record<string, unknown>);

test("wake --follow prints the log and ends as the run ended", async () => {
  const good = await reveille("wake", "good", "--follow", "--reason", "by hand");
  expect(good).toMatchObject({ code: 0, stderr: "" });
  expect(good.stdout).toMatch(/^queued run [0-9a-f]{8} .*\none\ntwo\nrun [0-9a-f]{8} succeeded/);
  const bad = await reveille("wake", "Bad", "--follow");
  expect(bad.code).toBe(1);
  expect(bad.stdout).toContain("failed");
});

test("wake --follow --json is one JSON document a line", async () => {
  const { code, stdout } = await reveille("wake", "Good", "--follow", "--json");
  expect(code).toBe(0);
  const types = records(stdout).map((record) => record["type"]);
  expect(types[0]).toBe("verdict");
  expect(types.at(-1)).toBe("run");
  expect(types).toContain("log.end");
});

test("runs, logs and runs show tell of a run by the beginning of its id", async () => {
  const woken = await reveille("wake", "Good", "--follow", "--json");
  const run = records(woken.stdout).at(-1)!["run"] as { id: string };
  const prefix = run.id.slice(0, 13);
  expect((await reveille("logs", prefix, "--stream", "stderr")).stdout).toBe("two\n");
  expect((await reveille("logs", prefix, "-f")).stdout).toBe("one\ntwo\n");
  const listed = await reveille("runs", "--agent", "Good", "--status", "succeeded", "--json");
  expect((JSON.parse(listed.stdout) as { id: string }[])[0]?.id).toBe(run.id);
  const shown = JSON.parse((await reveille("runs", "show", prefix, "--json")).stdout) as {
    id: string;
    events: { seq: number }[];
  };
  expect(shown.id).toBe(run.id);
  expect(shown.events.map(({ seq }) => seq)).toEqual(shown.events.map((_, index) => index + 1));
});

test("cancel --wait ends a run", async () => {
  const woken = await reveille("wake", "Long", "--json");
  const { run } = JSON.parse(woken.stdout) as { run: { id: string } };
  const ended = await reveille("cancel", run.id, "--wait", "--json");
  expect(ended.code).toBe(0);
  expect(JSON.parse(ended.stdout)).toMatchObject({ id: run.id, status: "cancelled" });
  expect((await reveille("logs", run.id, "-f")).code).toBe(1);
});

test("a board token is made in the database, works, is listed without its value, and is revoked", async () => {
  const made = await reveille("board-token", "create", "--name", "mine", "--days", "1", "--json");
  const { id, token } = JSON.parse(made.stdout) as { id: string; token: string };
  expect((await reveilleAs(token, "companies")).code).toBe(0);
  const listed = await reveille("board-token", "list", "--json");
  expect(listed.stdout).not.toContain(token);
  const tokens = JSON.parse(listed.stdout) as { id: string; lastUsedAt: string | null }[];
  expect(tokens.find((each) => each.id === id)?.lastUsedAt).not.toBeNull();
  expect((await reveille("board-token", "revoke", id)).code).toBe(0);
  expect((await reveille("board-token", "revoke", id)).code).toBe(4);
  expect((await reveilleAs(token, "companies")).code).toBe(5);
  const plain = await reveille("board-token", "create", "--company", "Nowhere");
  expect(plain).toMatchObject({ code: 4, stdout: "" });
});

test("a queue shows what runs and what waits, a lock who holds it", async () => {
  await reveille("wake", "Long");
  const queue = await reveille("queue", "Long");
  expect(queue.code).toBe(0);
  expect(queue.stdout).toMatch(/^Long: .* of 1 slots/);
  const { runs } = JSON.parse((await reveille("queue", "Long", "--json")).stdout) as {
    runs: { runId: string }[];
  };
  expect(runs).toHaveLength(1);
  expect((await reveille("cancel", runs[0]!.runId, "--wait")).code).toBe(0);
  const { body } = await system.call("GET", "/companies");
  const companyId = String((body as unknown as { id: string }[])[0]!.id);
  const issue = await system.call("POST", `/companies/${companyId}/issues`, { title: "A" });
  const lock = await reveille("lock", String(issue.body["identifier"]));
  expect(lock).toMatchObject({ code: 0, stdout: `${String(issue.body["identifier"])} is free\n` });
});

test("a dead letter is shown, replayed and dropped", async () => {
  const { rows } = await system.database.query<{ id: string; agentId: string }>(
    `insert into dead_letters (company_id, agent_id, partition, generation, stream_seq, kind, stage, reason, payload_base64)
     select company_id, id, partition, 1, 1, 'admit', 'commit', 'because', 'e30=' from agents where name in ('Good', 'Bad')
     returning id`,
  );
  const [first, second] = rows.map(({ id }) => id);
  expect((await reveille("dead-letters", first!)).stdout).toContain("because");
  expect((await reveille("dead-letters", "replay", first!)).code).toBe(0);
  expect((await reveille("dead-letters", "replay", first!)).code).toBe(4);
  expect((await reveille("dead-letters", "drop", second!)).code).toBe(0);
  expect((await reveille("dead-letters", "drop", "x")).code).toBe(2);
  expect((await reveille("dead-letters", "--json")).stdout.trim()).toBe("[]");
});

test("exit codes tell bad input, not found, refused and unreachable apart", async () => {
  const codes = {
    "unknown command": (await reveille("frobnicate")).code,
    "bad payload": (await reveille("wake", "Good", "--payload", "[1]")).code,
    "bad issue": (await reveille("wake", "Good", "--payload", '{"issueId":"x"}')).code,
    "no agent": (await reveille("wake", "Nobody")).code,
    "no run": (await reveille("logs", "00000000")).code,
    "not on demand": (await reveille("wake", "Deaf")).code,
    "not on demand over HTTP": (await reveille("wake", "Deaf", "--http")).code,
    "no API": (await reveille("runs", "--api", "http://127.0.0.1:9")).code,
    "no NATS": (await reveille("wake", "Good", "--nats", "nats://127.0.0.1:9")).code,
  };
  expect(codes).toEqual({
    "unknown command": 2,
    "bad payload": 2,
    "bad issue": 2,
    "no agent": 4,
    "no run": 4,
    "not on demand": 5,
    "not on demand over HTTP": 5,
    "no API": 3,
    "no NATS": 3,
  });
});

test("errors are one line for people, JSON for programs, never a stack", async () => {
  const people = await reveille("runs", "--limit", "many");
  expect(people.stderr).toBe("reveille: --limit must be a whole number from 1 to 1000\n");
  const programs = await reveille("runs", "--limit", "many", "--json");
  expect(programs.stdout).toBe("");
  expect(JSON.parse(programs.stderr)).toMatchObject({ exitCode: 2 });
});

test("doctor finds a healthy system healthy, and says which part is dead", async () => {
  const healthy = await reveille("doctor", "--json");
  const found = JSON.parse(healthy.stdout) as { checks: { name: string; status: string }[] };
  expect(found.checks.filter(({ status }) => status === "fail")).toEqual([]);
  expect(healthy.code).toBe(0);
  const topology = JSON.parse((await reveille("topology", "--json")).stdout) as {
    streams: { name: string; found: boolean }[];
    hosts: { partitions: number[] }[];
  };
  expect(topology.streams.every((stream) => stream.found)).toBe(true);
  expect(topology.hosts[0]?.partitions).toHaveLength(64);
  expect((await reveille("dead-letters", "--json")).stdout.trim()).toBe("[]");

  system.stack.kill("gateway", 0, "SIGKILL");
  const ill = await reveille("doctor", "--json");
  expect(ill.code).toBe(1);
  const checks = JSON.parse(ill.stdout) as {
    checks: { name: string; status: string; mend: string }[];
  };
  expect(checks.checks.find(({ name }) => name === "gateway")).toMatchObject({ status: "fail" });
  expect(checks.checks.find(({ name }) => name === "gateway")?.mend).toContain("npm start");
});
