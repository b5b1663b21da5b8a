// The embedded servers and the data directory, on real processes: what `npm start` relies on before any service runs.
import { spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { DataDirBusy, openDataDir } from "@reveille/local/data-dir";
import { PostgresAlreadyRunning, startPostgres } from "@reveille/local/postgres-server";
import { identify, signal } from "@reveille/local/process-identity";
import pg from "pg";
import { describe, expect, onTestFinished, test } from "vitest";
import { natsServerBin } from "./harness/provided.js";
import { scratchFolder } from "./harness/scratch.js";

const built = (module: string): string =>
  new URL(`../../deploy/local/dist/${module}.js`, import.meta.url).href;

async function query(url: string, sql: string): Promise<Record<string, unknown>[]> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 5_000 });
  client.on("error", () => undefined); // the server may be killed under it
  await client.connect();
  try {
    return (await client.query<Record<string, unknown>>(sql)).rows;
  } finally {
    await client.end();
  }
}

describe("embedded Postgres", () => {
  test("keeps its data over an orderly stop and over kill -9, and asks for its password", async () => {
    const dir = scratchFolder("pg");
    let server = await startPostgres({ dir });
    onTestFinished(() => server.stop());
    expect(new URL(server.url).pathname).toBe("/reveille");
    await query(server.url, "create table kept (n int); insert into kept values (1)");

    const wrong = new URL(server.url);
    wrong.password = "wrong";
    await expect(query(wrong.href, "select 1")).rejects.toThrow(/password/);

    await server.stop();
    server = await startPostgres({ dir });
    expect(await query(server.url, "select n from kept")).toEqual([{ n: 1 }]);

    signal(server.pid, "SIGKILL");
    await server.exited;
    server = await startPostgres({ dir });
    expect(await query(server.url, "select n from kept")).toEqual([{ n: 1 }]);
  });

  test("says who runs already, and is not fooled by a reused pid", async () => {
    const dir = scratchFolder("pg");
    const first = await startPostgres({ dir, fsync: false });
    onTestFinished(() => first.stop());
    const refusal = await startPostgres({ dir, fsync: false }).catch((error: unknown) => error);
    expect(refusal).toBeInstanceOf(PostgresAlreadyRunning);
    expect(refusal).toMatchObject({ pid: first.pid, port: first.port });
    await first.stop();

    const major = readdirSync(join(dir, "pg")).find((name) => /^\d+$/.test(name)) ?? "";
    const stale = `${process.pid}\n/elsewhere\n0\n5432\n\n\n\nready\n`;
    writeFileSync(join(dir, "pg", major, "postmaster.pid"), stale);
    const second = await startPostgres({ dir, fsync: false });
    onTestFinished(() => second.stop());
    expect(await query(second.url, "select 1 as one")).toEqual([{ one: 1 }]);
  });

  test("names the variable and the folder when PG_BIN is wrong", async () => {
    process.env["PG_BIN"] = "/nowhere";
    onTestFinished(() => void delete process.env["PG_BIN"]);
    await expect(startPostgres({ dir: scratchFolder("pg") })).rejects.toThrow("PG_BIN=/nowhere");
  });
});

describe("data directory", () => {
  test("is held by one, given back, and taken again", () => {
    const dir = join(scratchFolder("data"), "inner");
    const first = openDataDir(dir);
    expect(first.isNew).toBe(true);
    writeFileSync(first.endpointsFile, JSON.stringify({ http: "http://127.0.0.1:1" }));
    const refusal = thrownBy(() => openDataDir(dir));
    expect(refusal).toBeInstanceOf(DataDirBusy);
    expect(refusal).toMatchObject({ pid: process.pid, http: "http://127.0.0.1:1" });
    first.release();
    first.release();
    openDataDir(dir).release();
  });

  test("is taken over from a holder that was killed, and from one whose pid now belongs to another", async () => {
    const dir = scratchFolder("data");
    const holder = await holdInProcess(dir);
    expect(thrownBy(() => openDataDir(dir))).toMatchObject({ pid: holder.pid });
    holder.kill("SIGKILL");
    await new Promise((resolve) => holder.once("exit", resolve));
    openDataDir(dir).release();

    const reused = { ...identify(process.pid), startedAt: "another boot:1" };
    mkdirSync(join(dir, "lock"), { recursive: true });
    writeFileSync(join(dir, "lock", "99"), JSON.stringify(reused));
    openDataDir(dir).release();
    expect(readdirSync(join(dir, "lock"))).toEqual(["100"]);
  });

  test("goes to exactly one of many that start at the same moment", async () => {
    const dir = scratchFolder("data");
    const script = `const { openDataDir } = await import(${JSON.stringify(built("data-dir"))});
      while (Date.now() < Number(process.argv[1])) {}
      try { openDataDir(${JSON.stringify(dir)}); console.log("mine"); process.stdin.resume(); }
      catch (error) { console.log(error.code); }`;
    const startAt = String(Date.now() + 1_500);
    const starters = Array.from({ length: 8 }, () =>
      spawn(process.execPath, ["--input-type=module", "-e", script, startAt]),
    );
    onTestFinished(() => starters.forEach((one) => one.kill("SIGKILL")));
    const answers = await Promise.all(
      starters.map(
        (one) =>
          new Promise((resolve) => one.stdout.once("data", (line) => resolve(String(line).trim()))),
      ),
    );
    expect(answers.filter((answer) => answer === "mine")).toHaveLength(1);
    expect(answers.filter((answer) => answer === "data_dir_busy")).toHaveLength(7);
  });
});

describe("fetching nats-server", () => {
  const script = fileURLToPath(
    new URL("../../deploy/local/bin/get-nats-server.mjs", import.meta.url),
  );

  test("a wrong NATS_SERVER_BIN is an error, a right one is taken", () => {
    const run = (bin: string) =>
      spawnSync(process.execPath, [script], {
        env: { ...process.env, NATS_SERVER_BIN: bin },
        encoding: "utf8",
      });
    expect(run("/nowhere")).toMatchObject({
      status: 1,
      stderr: expect.stringContaining("NATS_SERVER_BIN=/nowhere"),
    });
    const bin = natsServerBin();
    expect(run(bin)).toMatchObject({ status: 0, stdout: `${bin}\n` });
  });

  test("an archive that differs from SHA256SUMS is refused, and nothing else is tried", async () => {
    const cache = scratchFolder("cache");
    const name = /nats-server-v.*/;
    const server = createServer((request, response) => {
      const digest = createHash("sha256").update("what was released").digest("hex");
      const platform = process.platform === "darwin" ? "darwin" : "linux";
      const arch = process.arch === "arm64" ? "arm64" : "amd64";
      const file = `nats-server-v2.15.1-${platform}-${arch}.tar.gz`;
      response.end(name.test(request.url ?? "") ? "something else" : `${digest}  ${file}\n`);
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    onTestFinished(() => void server.close());
    const { port } = server.address() as { port: number };
    const child = spawn(process.execPath, [script, "--only", "release", "--cache", cache], {
      env: { ...process.env, NATS_RELEASE_BASE: `http://127.0.0.1:${port}` },
    });
    let said = "";
    child.stderr.on("data", (chunk) => (said += String(chunk)));
    const status = await new Promise((resolve) => child.once("exit", resolve));
    expect(status).toBe(1);
    expect(said).toContain("not using it");
    expect(readdirSync(cache)).toEqual([]);
  });
});

function thrownBy(act: () => unknown): unknown {
  try {
    return act();
  } catch (error) {
    return error;
  }
}

async function holdInProcess(dir: string) {
  const script = `const { openDataDir } = await import(${JSON.stringify(built("data-dir"))});
    openDataDir(${JSON.stringify(dir)}); console.log("held"); setInterval(() => {}, 1000);`;
  const child = spawn(process.execPath, ["--input-type=module", "-e", script]);
  onTestFinished(() => void child.kill("SIGKILL"));
  await new Promise((resolve) => child.stdout.once("data", resolve));
  return child;
}
