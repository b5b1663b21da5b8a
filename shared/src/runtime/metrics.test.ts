// What a service exposes is what the catalogue says, from the first scrape on.
import { describe, expect, test } from "vitest";
import { createMetrics } from "./metrics.js";
import { metricsOf, serviceNames } from "./metrics-catalogue.js";

const lines = (text: string, name: string): string[] =>
  text.split("\n").filter((line) => line.startsWith(`${name} `) || line.startsWith(`${name}{`));

describe.each(serviceNames)("the metrics of %s", (service) => {
  test("are all there before anything has happened, with their help and type", async () => {
    const text = await createMetrics(service).text();
    const typed = [...text.matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(([, name, type]) => [
      name,
      type,
    ]);
    expect(typed).toEqual(metricsOf(service).map(([name, { type }]) => [name, type]));
    for (const [name, { help }] of metricsOf(service))
      expect(text).toContain(`# HELP ${name} ${help}`);
  });

  test("have a unit or what they count in their names, counters as totals", () => {
    for (const [name, { type, help, buckets }] of metricsOf(service)) {
      expect(name.endsWith("_total"), name).toBe(type === "counter");
      expect(type === "histogram" ? name.endsWith("_seconds") : true, name).toBe(true);
      expect(buckets === undefined, name).toBe(type !== "histogram");
      expect(help, name).toMatch(/^[A-Z0-9].*\.$/);
    }
  });
});

test("a counter with a known set of values begins with all of them at 0", async () => {
  const metrics = createMetrics("agent-actor");
  metrics.count("reveille_commits_total", { outcome: "fenced" }, 2);
  const text = await metrics.text();
  expect(lines(text, "reveille_commits_total")).toContain(
    'reveille_commits_total{outcome="fenced"} 2',
  );
  expect(lines(text, "reveille_commits_total")).toContain(
    'reveille_commits_total{outcome="rejected"} 0',
  );
});

test("what is read at a scrape is read again at the next, and labels that are gone are gone", async () => {
  const metrics = createMetrics("gateway");
  let pools = ["a", "b"];
  metrics.read("reveille_pool_slots", async () =>
    pools.map((pool) => ({ labels: { pool }, value: 4 })),
  );
  expect(lines(await metrics.text(), "reveille_pool_slots")).toHaveLength(2);
  pools = ["b"];
  expect(lines(await metrics.text(), "reveille_pool_slots")).toEqual([
    'reveille_pool_slots{pool="b"} 4',
  ]);
});

test("a figure that cannot be read is missing instead of old or 0", async () => {
  const metrics = createMetrics("gateway");
  let away = false;
  const read = async (): Promise<number> => {
    if (away) throw new Error("away");
    return 7;
  };
  metrics.read("reveille_mailbox_lag_messages", read);
  metrics.read("reveille_wakes_sent_again_total", () => 3);
  expect(await metrics.text()).toMatch(/^reveille_mailbox_lag_messages 7$/m);
  away = true;
  const text = await metrics.text();
  expect(lines(text, "reveille_mailbox_lag_messages")).toEqual([]);
  expect(lines(text, "reveille_wakes_sent_again_total")).toEqual([
    "reveille_wakes_sent_again_total 3",
  ]);
});

test("an observation by two clocks is never below nothing", async () => {
  const metrics = createMetrics("agent-actor");
  metrics.observe("reveille_mailbox_wait_seconds", -3);
  expect(await metrics.text()).toMatch(/^reveille_mailbox_wait_seconds_sum 0$/m);
});
