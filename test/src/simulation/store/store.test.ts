// What the simulated store promises beside the contract with Postgres: all or nothing, rows as values, and the same for the same.
import { expect, test } from "vitest";
import { SqlError } from "./sql-error.js";
import { createSimStore } from "./store.js";
import { fromJson, recordsOf, rounded, toDriver, toJson } from "./value.js";

const uuid = (number: number): string =>
  `00000000-0000-4000-8000-${String(number).padStart(12, "0")}`;
function open() {
  const store = createSimStore({ nowMs: () => 1_000, partitions: 2 });
  store.insertCompany({ id: uuid(1) });
  store.insertAgent({ id: uuid(2), company_id: uuid(1) });
  return store;
}
const wake = (id: number) => ({
  agent_id: uuid(2),
  wake_id: `wake ${id}`,
  company_id: uuid(1),
  verdict: {},
});

test("what fails leaves nothing, in tables and in what is looked up by", () => {
  const store = open();
  const before = store.tables.agents.get(uuid(2))!;
  const failing = (): void =>
    store.write((tables) => {
      tables.wake_verdicts.insert({ ...wake(1), idempotency_key: "key" });
      tables.agents.update(before, { name: "changed" });
      tables.partitions.delete(tables.partitions.get(1)!);
      tables.wake_verdicts.insert({ ...wake(2), idempotency_key: "key" });
    });
  expect(failing).toThrow(SqlError);
  expect(store.tables.wake_verdicts.size).toBe(0);
  expect(store.tables.wake_verdicts.by("wake_verdicts_idempotency_key", uuid(2), "key")).toEqual(
    [],
  );
  expect(store.tables.agents.get(uuid(2))).toBe(before);
  expect(store.tables.partitions.size).toBe(2);
});

test("whoever holds a row holds what was true then", () => {
  const { tables, write } = open();
  const held = tables.partitions.get(0)!;
  write(() => tables.partitions.update(held, { epoch: 7 }));
  expect([held.epoch, tables.partitions.get(0)!.epoch]).toEqual([0, 7]);
  // Changes are made to the row as it is, also by whoever holds an old one.
  write(() => tables.partitions.update(held, { cursor_seq: 3 }));
  expect(tables.partitions.get(0)).toMatchObject({ epoch: 7, cursor_seq: 3 });
});

test("references are judged at the end, both ways", () => {
  const { tables, write, insertAgent } = open();
  expect(() => insertAgent({ id: uuid(3), company_id: uuid(9) })).toThrow(
    /agents_company_id_companies_id_fk/,
  );
  expect(() => write(() => tables.companies.delete(tables.companies.get(uuid(1))!))).toThrow(
    /on table "agents"/,
  );
  write(() => {
    tables.companies.delete(tables.companies.get(uuid(1))!);
    tables.agents.delete(tables.agents.get(uuid(2))!);
  });
  expect(tables.companies.size).toBe(0);
});

test("what the store makes up is the same every time", () => {
  const ids = [open(), open()].map(
    (store) =>
      store.insertComment({
        company_id: uuid(1),
        issue_id: store.insertIssue({ id: uuid(5), company_id: uuid(1) }).id,
        body: "said",
      }).id,
  );
  expect(ids[0]).toBe(ids[1]);
});

test("a row that is gone is not changed", () => {
  const { tables, write } = open();
  const row = tables.partitions.get(1)!;
  write(() => tables.partitions.delete(row));
  expect(() => tables.partitions.update(row, { epoch: 1 })).toThrow(/no row 1 any more/);
  expect(() => tables.partitions.by("unheard of", 1)).toThrow(/no index/);
});

test("values go out as the driver and as JSON show them", () => {
  expect(toDriver("bigint", 5)).toBe("5");
  expect(toDriver("bigint", 1_767_225_600_123_456_789n)).toBe("1767225600123456789");
  expect(toDriver("timestamptz", 1_000)).toEqual(new Date(1_000));
  expect(toJson("timestamptz", 0)).toBe("1970-01-01T00:00:00+00:00");
  expect(toJson("timestamptz", 120)).toBe("1970-01-01T00:00:00.12+00:00");
  expect(fromJson("bigint", "1767225600123456789")).toBe(1_767_225_600_123_456_789n);
  expect([rounded(0.5), rounded(-0.5), rounded(2.4)]).toEqual([1, -1, 2]);
  const kept = { deep: [{ a: 1 }] };
  expect(toDriver("jsonb", kept)).toEqual(kept);
  expect((toDriver("jsonb", kept) as typeof kept).deep).not.toBe(kept.deep);
});

test("only what Postgres cannot keep is refused of JSON", () => {
  expect(recordsOf(JSON.stringify([{ a: "\\u0000 \\\\ud800 € 😀" }]))).toHaveLength(1);
  expect(() => recordsOf(JSON.stringify([{ a: "\\\u0000" }]))).toThrow(/Unicode escape/);
  expect(() => recordsOf(JSON.stringify([{ a: "\ud800" }]))).toThrow(/type json/);
});
