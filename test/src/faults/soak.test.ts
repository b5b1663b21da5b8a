// The soak in little, so that it cannot rot: everything of it, with two short periods of faults. Its own time is `npm run soak`.
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { readHistory } from "@reveille/shared/evidence/history";
import { soak } from "../soak/soak.js";

/** With it a host is killed while links of the other one and of a runner break, then NATS while a runner is frozen. */
const usualSeed = 80;

test("a short soak loses nothing, and tells what it did", async () => {
  const seed = Number(process.env["REVEILLE_TEST_SEED"] ?? usualSeed);
  const out = mkdtempSync(join(tmpdir(), "reveille-soak-test-"));
  onTestFinished(() => rmSync(out, { recursive: true, force: true }));
  const said: string[] = [];
  const summary = await soak({
    seed,
    periods: 2,
    periodMs: 10_000,
    settleMs: 1_000,
    undisturbedMs: 4_000,
    size: { companies: 2, agents: 14, issues: 12 },
    rate: 5,
    require: 20,
    out,
    signal: new AbortController().signal,
    say: (line) => void said.push(line),
  });
  process.stderr.write(`seed ${seed}: ${said.join("; ")}\n`);
  expect(summary.judgement.violations).toEqual([]);
  expect(summary.ownEnds).toEqual([]);
  expect(summary.course.length).toBeGreaterThan(0);
  // Whatever can be judged was: only values that must be found nowhere are not there to be looked for.
  const skipped = summary.judgement.report?.checks.filter(({ status }) => status === "skipped");
  expect(new Set(skipped?.map(({ reason }) => reason))).toEqual(new Set(["canaries"]));
  const phases = new Set<string>();
  for await (const { phase } of readHistory(join(out, "history.ndjson"))) phases.add(phase);
  expect([...phases]).toEqual(expect.arrayContaining(["invoke", "ok"]));
  expect(JSON.parse(readFileSync(join(out, "summary.json"), "utf8"))).toMatchObject({ seed });
});
