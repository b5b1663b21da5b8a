// The checker itself: it finds nothing wrong with a system that has done a bit of everything, and of every check one violation that was
// planted, with the rows that show it.
import { execFile } from "node:child_process";
import { appendFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { EvidenceError } from "@reveille/shared/evidence/ndjson";
import { catalogue } from "@reveille/shared/verify/catalogue";
import { violationTexts } from "@reveille/shared/verify/report";
import { verify, type VerifyOptions } from "@reveille/shared/verify/verify";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { outsidePlants } from "./outside-plants.js";
import type { Plant } from "./plants.js";
import { rowPlants } from "./row-plants.js";
import { startSmallSystem, type SmallSystem } from "./small-system.js";
import { tenantPlants } from "./tenant-plants.js";

let system: SmallSystem;
beforeAll(async () => {
  system = await startSmallSystem();
});
afterAll(() => system.stop());

const everything = (): VerifyOptions => ({
  database: system.databaseUrl,
  bus: system.bus,
  history: [system.historyFile],
  witness: [system.witness.file],
  atRest: true,
  // Nothing is under way any more.
  settleMs: 300,
  logs: Number.POSITIVE_INFINITY,
});

/** What the small system does not have. */
const nothingToSee = new Set([
  "runs with a slot",
  "open wakes",
  "live runs",
  "waiting wakes and runs",
  "repeated attempts",
  "recorded changes of ended runs",
  "held issues",
  "live runs with an issue",
  "runs that hold an issue",
  "locks",
  "stored executions",
  "dispatched runs",
  "owed releases",
  "owed wakes",
  "runs whose witness told a cost",
  "joined wakes with a comment",
  "queued runs by timers",
  "claims in leases",
  "consumers",
  "sessions",
]);

test("a system at work is clean at every instant at which it is looked at", () => {
  const { duringWork } = system;
  expect(duringWork.flatMap(violationTexts)).toEqual([]);
  // Some looks, and at least one of them at runs that live.
  expect(duringWork.length).toBeGreaterThan(1);
  const live = duringWork.map(({ checks }) => checks.find(({ unit }) => unit === "live runs"));
  expect(Math.max(...live.map((check) => check!.looked))).toBeGreaterThan(0);
});

test("a system that has come to rest is clean, and nearly every check has looked at something", async () => {
  expect(violationTexts(system.whileRunning)).toEqual([]);
  const report = await verify({ ...everything(), require: 10, canaries: ["nobody-knows-this"] });
  expect(violationTexts(report)).toEqual([]);
  expect(report.verdict).toBe("clean");
  expect(report.checks.filter(({ status }) => status !== "clean")).toEqual([]);
  const blind = report.checks.filter(
    ({ looked, unit }) => looked === 0 && !nothingToSee.has(unit) && !unit.startsWith("rows of"),
  );
  expect(blind.map(({ title, unit }) => `${title}: 0 ${unit}`)).toEqual([]);
});

const plants: Readonly<Record<string, Plant>> = { ...rowPlants, ...tenantPlants, ...outsidePlants };

test("every check has its planted violation", () => {
  const titles = catalogue.map(({ title }) => title);
  expect(titles.filter((title) => !plants[title])).toEqual([]);
  expect(Object.keys(plants).filter((title) => !titles.includes(title))).toEqual([]);
  expect(new Set(titles).size).toBe(titles.length);
});

describe("a planted violation is found and shown", () => {
  for (const { invariant, title } of catalogue)
    test(`${invariant}: ${title}`, async () => {
      const copy = await system.copy();
      const undo: (() => Promise<unknown>)[] = [];
      onTestFinished(async () => {
        for (const work of undo) await work();
        await copy.drop();
      });
      const planted = await plants[title]!({ system, copy, undo: (work) => void undo.push(work) });
      const report = await verify({
        ...everything(),
        ...planted.options,
        database: copy.url,
        only: new Set([invariant]),
      });
      const check = report.checks.find((one) => one.title === title);
      expect(check).toMatchObject({ status: "violated" });
      expect(check!.violations).toBeGreaterThan(0);
      for (const words of planted.shows) expect(JSON.stringify(check!.rows)).toContain(words);
      expect(report.verdict).toBe("violated");
    });
});

test("a pass over too little is no pass", async () => {
  const report = await verify({ ...everything(), require: 1_000, only: new Set(["I0"]) });
  expect(report.verdict).toBe("violated");
  expect(report.checks[0]!.rows.map(({ what }) => what)).toEqual([
    "succeeded runs",
    "answered operations",
    "witnessed attempts",
  ]);
});

test("what is not there is skipped, what cannot be read is told", async () => {
  const { bus: _, history: __, witness: ___, ...rowsAlone } = everything();
  const skipped = await verify({ ...rowsAlone, atRest: false });
  expect(skipped.verdict).toBe("clean");
  const reasons = new Set(skipped.checks.map(({ reason }) => reason));
  expect(reasons).toEqual(new Set([null, "rest", "streams", "history", "witness", "canaries"]));
  const copy = await system.copy();
  onTestFinished(() => copy.drop());
  await copy.sql("drop table issue_comments");
  const broken = await verify({ ...rowsAlone, database: copy.url, only: new Set(["I9"]) });
  expect(broken.verdict).toBe("unchecked");
  // The others are made all the same.
  expect(broken.checks.filter(({ status }) => status === "unchecked")).toHaveLength(1);
  expect(broken.checks.filter(({ status }) => status === "clean").length).toBeGreaterThan(10);
});

test("a file that is no evidence is refused by file and line, and half a last line is left out", async () => {
  const file = join(system.folder, "bad.ndjson");
  writeFileSync(file, `{"at":1,"op":"wake","phase":"perhaps"}\n`);
  await expect(verify({ ...everything(), history: [file] })).rejects.toThrow(
    /bad\.ndjson, line 1: phase/,
  );
  await expect(verify({ ...everything(), history: ["/nowhere"] })).rejects.toThrow(EvidenceError);
  appendFileSync(system.witness.file, `{"what":"start","comp`);
  expect((await verify({ ...everything(), only: new Set(["I5"]) })).verdict).toBe("clean");
});

describe("the command", () => {
  const bin = fileURLToPath(new URL("../../../cli/bin/reveille.mjs", import.meta.url));
  const run = (
    args: string[],
    databaseUrl: string,
  ): Promise<{ code: number; out: string; err: string }> =>
    new Promise((resolve) =>
      execFile(
        process.execPath,
        [bin, "verify", ...args],
        {
          env: {
            ...process.env,
            DATABASE_URL: databaseUrl,
            NATS_URL: system.nats.urlOf("operator"),
          },
        },
        (error, out, err) => resolve({ code: Number(error?.code ?? 0), out, err }),
      ),
    );

  test("ends with 0, 1 or 2, and shows what it found", async () => {
    const clean = await run(["--at-rest", "--witness", system.witness.file], system.databaseUrl);
    expect(clean).toMatchObject({ code: 0, err: "" });
    expect(clean.out).toMatch(/^clean: \d+ clean, 0 violated/m);
    expect(clean.out).toContain("(needs --history)");

    const copy = await system.copy();
    onTestFinished(() => copy.drop());
    await copy.sql("update agents set status = 'running' where name = 'Wide'");
    const violated = await run(["--only", "i20", "--json", "--no-streams"], copy.url);
    expect(violated.code).toBe(1);
    expect(JSON.parse(violated.out)).toMatchObject({ verdict: "violated" });

    await copy.sql("drop table owed_wakes cascade");
    expect((await run(["--only", "I17", "--no-streams"], copy.url)).code).toBe(2);
    const nowhere = await run(["--no-streams"], "postgres://nobody@127.0.0.1:1/none");
    expect(nowhere).toMatchObject({ code: 2, out: "" });
    expect((await run(["--rows", "none"], copy.url)).code).toBe(2);
  });

  test("switches the recorder on and off, also twice", async () => {
    const copy = await system.copy();
    onTestFinished(() => copy.drop());
    const has = async (): Promise<boolean> =>
      (
        await copy.sql<{ has: boolean }>("select to_regclass('run_transitions') is not null as has")
      )[0]!.has;
    for (const [state, there] of [
      ["off", false],
      ["off", false],
      ["on", true],
      ["on", true],
    ] as const) {
      expect((await run(["--record", state], copy.url)).code).toBe(0);
      expect(await has()).toBe(there);
    }
    await copy.sql("update agent_wakeup_requests set status = 'failed' where status = 'completed'");
    const [row] = await copy.sql(
      "select what, status_from, status_to, epoch from run_transitions limit 1",
    );
    expect(row).toMatchObject({ what: "wake", status_from: "completed", status_to: "failed" });
  });
});
