// The sample company of a first start does what its page says: an issue is filed, worked on, and handed over to the one who waits.
import { seedSample } from "@reveille/local/sample";
import { eventually } from "@reveille/local/polling";
import { expect, onTestFinished, test } from "vitest";
import { startWholeSystem, type Row } from "./harness/whole-system.js";

test("Archivist files an issue, Builder holds it, Reviewer gets it when Builder is done", async () => {
  const system = await startWholeSystem();
  onTestFinished(() => system.stop());
  await seedSample(system.stack.endpoints);

  const rows = async (sql: string): Promise<Row[]> => (await system.database.query<Row>(sql)).rows;
  const runs = await eventually("three runs to their end", 40_000, async () => {
    const found = await rows(
      `select a.name, r.status, r.started_at, r.finished_at, r.issue_id from heartbeat_runs r join agents a on a.id = r.agent_id
       where a.name <> 'Timekeeper' order by r.started_at`,
    );
    return found.length >= 3 && found.every((run) => run["finished_at"] !== null)
      ? found
      : undefined;
  });
  expect(runs.map((run) => [run["name"], run["status"]])).toEqual([
    ["Archivist", "succeeded"],
    ["Builder", "succeeded"],
    ["Reviewer", "succeeded"],
  ]);
  const [, builder, reviewer] = runs;
  expect(reviewer?.["issue_id"]).toBe(builder?.["issue_id"]);
  expect(Number(reviewer?.["started_at"])).toBeGreaterThanOrEqual(Number(builder?.["finished_at"]));
  // Woken while Builder held the issue: that is what makes it a hand-over.
  const [wake] = await rows(
    `select w.requested_at from agent_wakeup_requests w join agents a on a.id = w.agent_id where a.name = 'Reviewer'`,
  );
  expect(Number(wake?.["requested_at"])).toBeLessThan(Number(builder?.["finished_at"]));
});
