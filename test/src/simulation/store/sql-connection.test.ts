// The way to the store and back: what reaches it whatever becomes of the process, what the process hears, and every fault on the way.
import type { Sql, Statement } from "@reveille/shared/postgres/pool";
import { guarded, sqlFailure } from "@reveille/shared/postgres/pool";
import { expect, test } from "vitest";
import { Loop } from "../machine/loop.js";
import { SimProcess } from "../machine/process.js";
import { connectSql } from "./sql-connection.js";
import type { SqlFault } from "./sql-connection.js";
import { createSimStore } from "./store.js";

const uuid = (number: number): string =>
  `00000000-0000-4000-8000-${String(number).padStart(12, "0")}`;
const take: Statement = { name: "take_partitions", text: "", values: [uuid(1), [0]] };
const wayMs = 5;

function world(size = 2) {
  const loop = new Loop();
  const process = new SimProcess(loop, "host 1");
  const store = createSimStore({ nowMs: () => loop.nowMs, partitions: 2 });
  let fault: SqlFault | null = null;
  const faults = { next: () => fault, delayMs: () => wayMs };
  const sql: Sql = connectSql(process, store, { loop, faults }, { size });
  const heard: string[] = [];
  return {
    loop,
    process,
    store,
    heard,
    epoch: () => store.tables.partitions.get(0)!.epoch,
    befall: (next: SqlFault | null) => void (fault = next),
    ask: (statement = take) =>
      void sql.query(statement).then(
        ({ rowCount }) => heard.push(`${rowCount} at ${loop.nowMs}`),
        (error: unknown) => {
          const failure = sqlFailure(error);
          heard.push(`${failure.kind} ${"code" in failure ? failure.code : ""} at ${loop.nowMs}`);
        },
      ),
  };
}

test("a statement takes its way, and so does its answer", async () => {
  const { loop, ask, heard } = world();
  ask();
  await loop.run(1_000);
  expect(heard).toEqual(["1 at 10"]);
});

test.each<[SqlFault, string, number]>([
  [{ kind: "unreachable" }, "transient ECONNREFUSED at 5", 0],
  [{ kind: "lost-before" }, "transient connection at 5", 0],
  [{ kind: "lost-after" }, "transient connection at 10", 1],
  [{ kind: "refused", code: "53300" }, "transient 53300 at 10", 0],
  [{ kind: "silent", executed: true }, "transient connection at 15000", 1],
  [{ kind: "silent", executed: false }, "transient connection at 15000", 0],
])("%j", async (fault, said, epoch) => {
  const { loop, ask, heard, befall, ...rest } = world();
  befall(fault);
  ask();
  await loop.run(60_000);
  expect(heard).toEqual([said]);
  expect(rest.epoch()).toBe(epoch);
});

test("what a killed process has sent is executed; it hears nothing", async () => {
  const { loop, ask, heard, process, epoch } = world();
  ask();
  process.kill();
  await loop.run(1_000);
  expect(epoch()).toBe(1);
  expect(heard).toEqual([]);
});

test("what a frozen process has sent is executed; it hears of it when it is thawed", async () => {
  const { loop, ask, heard, process, epoch } = world();
  ask();
  process.freeze();
  loop.schedule(1_000, () => {
    expect([epoch(), heard]).toEqual([1, []]);
    process.thaw();
  });
  await loop.run(2_000);
  expect(heard).toEqual(["1 at 1000"]);
});

test("a pool asks as many at once as it has connections, and is not patient for ever", async () => {
  const { loop, ask, heard, befall } = world(2);
  befall({ kind: "silent", executed: false });
  ask();
  ask();
  befall(null);
  ask();
  await loop.run(60_000);
  expect(heard).toEqual([
    "transient connection at 5000",
    "transient connection at 15000",
    "transient connection at 15000",
  ]);
  ask();
  await loop.run(1_000);
  expect(heard.at(-1)).toBe("1 at 15010");
});

test("`guarded` makes of a fault what it makes of a real one", async () => {
  const { loop, process, store } = world();
  const faults = { next: (): SqlFault => ({ kind: "lost-after" }), delayMs: () => 1 };
  const asked = guarded("take", () => connectSql(process, store, { loop, faults }).query(take));
  const failed = expect(asked).rejects.toMatchObject({ code: "StoreUnavailable" });
  await loop.run(1_000);
  await failed;
});

test("a statement that the store does not know ends the run with its name", async () => {
  const { loop, ask } = world();
  ask({ name: "unheard_of", text: "" });
  await expect(loop.run(1_000)).rejects.toThrow(
    "the simulated store knows no statement unheard_of",
  );
});
