// F11: JetStream's store is an older copy of itself, as after a restored volume, or its last block was cut or has another bit. Its
// sequences may begin again below the cursors: without a new generation it would take wakes and nobody would ever read them.
import { readdirSync, readFileSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { clusterOfFile } from "../harness/cluster.js";
import { inForm } from "../harness/fault-form.js";
import { openLoad } from "../harness/load.js";
import { until } from "../harness/until.js";
import type { Wake } from "../harness/wake-client.js";

const perBatch = inForm(20, 40);
const cluster = clusterOfFile();

test("[F11] stream rolled back behind the cursors: later wakes are not swallowed, nothing is applied twice", async () => {
  const { client, nats, system } = cluster();
  const agents = await cluster().agents(20, 50);
  const batch = (name: string): Wake[] =>
    Array.from({ length: perBatch }, (_, n) => ({
      ...agents[n % agents.length]!,
      id: `${name}-${n}`,
      payload: { taskKey: `${name}-${n}` },
    }));
  const applied = batch("applied");
  await client.wakeAll(applied);
  await cluster().atRest(applied, 30_000);

  // Stored while nobody decides: the copy has them undecided, and will show them again when they are long decided.
  const copied = batch("copied");
  const freeze = (signal: NodeJS.Signals): void => {
    for (const index of [0, 1]) system.stack.kill("agent-actor", index, signal);
  };
  freeze("SIGSTOP");
  await client.wakeAll(copied);
  const saved = await nats.save();
  freeze("SIGCONT");
  await cluster().atRest([...applied, ...copied], 40_000);
  const lost = batch("lost");
  await client.wakeAll(lost);
  await cluster().atRest([...applied, ...copied, ...lost], 30_000);
  const [before] = await cluster().rows<{ generation: number }>(
    "select generation from mailbox_state",
  );

  await nats.rollBack(saved);
  const after = batch("after");
  await client.wakeAll(after);
  const all = [...applied, ...copied, ...lost, ...after];
  await cluster().atRest(all, 40_000);
  await cluster().expectAllWell(all, agents);
  const [found] = await cluster().rows<{ generation: number; runs: number; ended: number }>(
    `select generation, (select count(*)::int from heartbeat_runs) as runs,
      (select count(*)::int from heartbeat_runs where status = 'succeeded' and attempt = 1) as ended from mailbox_state`,
  );
  expect(found).toEqual({
    generation: before!.generation + 1,
    runs: all.length,
    ended: all.length,
  });

  // And again: what a generation skips must survive the next one.
  await nats.rollBack(saved);
  const again = batch("again");
  await client.wakeAll(again);
  await cluster().atRest([...all, ...again], 40_000);
  await cluster().expectAllWell([...all, ...again], agents);
  await until("every partition is in the third generation", async () => {
    const [row] = await cluster().rows<{ behind: number }>(
      "select count(*)::int as behind from partitions p, mailbox_state m where p.generation < m.generation",
    );
    return row?.behind === 0;
  });
  expect(
    cluster()
      .witness.lines()
      .filter(({ what }) => what === "start"),
  ).toHaveLength(5 * perBatch);
});

/** The newest block of the mailbox's messages. */
function lastBlock(store: string): string {
  const blocks = readdirSync(store, { recursive: true, encoding: "utf8" })
    .filter((name) => /\/streams\/MAILBOX\/msgs\/\d+\.blk$/.test(`/${name}`))
    .map((name) => join(store, name));
  return blocks.toSorted((a, b) => statSync(a).mtimeMs - statSync(b).mtimeMs).at(-1)!;
}

const damages: Record<string, (block: string) => void> = {
  "its last third cut off": (block) =>
    truncateSync(block, Math.floor((statSync(block).size * 2) / 3)),
  "one bit flipped near its end": (block) => {
    const bytes = readFileSync(block);
    const at = Math.floor(bytes.length * 0.9);
    bytes[at] = bytes[at]! ^ 1;
    writeFileSync(block, bytes);
  },
};

test.each(Object.keys(damages))(
  "[F11] the last block of the mailbox with %s: what was decided stays decided, later wakes are taken",
  async (damage) => {
    const { client, nats, system } = cluster();
    const load = await openLoad(cluster(), { name: damage.replaceAll(" ", "-") });
    await load.more(perBatch);
    await load.started(1);
    // Some of what the block holds is undecided when it is damaged.
    for (const index of [0, 1]) system.stack.kill("agent-actor", index, "SIGSTOP");
    await load.more(perBatch);
    await nats.damage((store) => damages[damage]!(lastBlock(store)));
    for (const index of [0, 1]) system.stack.kill("agent-actor", index, "SIGCONT");
    await load.more(perBatch);
    await until("some of the later ones are decided", () => load.verdicts() > perBatch);
    await load.settle({ order: "stored", again: true });
    expect(await load.outcomes()).toEqual([
      { status: "succeeded", attempt: 1, n: expect.any(Number) },
    ]);
    expect(client.connection.isClosed()).toBe(false);
  },
);
