// Owns the simulated store as a whole: its tables, its clock, and the statements that it answers, one at a time and all or nothing. What two
// statements do to each other while both are under way (locks that are waited for, deadlocks) is not simulated: they happen one after another.
import { createHash } from "node:crypto";
import type { Statement } from "@reveille/shared/postgres/pool";
import { createScene } from "./scene.js";
import type { Scene } from "./scene.js";
import { handlers } from "./statements/handlers.js";
import { createTables } from "./tables.js";
import type { Tables } from "./tables.js";
import { Transaction } from "./transaction.js";

export interface Answer {
  rows: object[];
  rowCount: number;
}
/** What a statement is answered from. */
export interface StatementContext {
  tables: Tables;
  /** Of the database's clock, as this statement began: `now()` and `clock_timestamp()`. */
  nowMs: number;
  /** The statement as the shell wrote it. */
  text: string;
}
export type Handler = (context: StatementContext, values: readonly unknown[]) => Answer;

export interface SimStoreOptions {
  /** Milliseconds since 1970 on the database's clock. */
  nowMs: () => number;
  /** Mailbox partitions, as provisioning makes them. */
  partitions: number;
}
export interface SimStore extends Scene {
  readonly tables: Tables;
  /** Statements answered, failed ones included. */
  readonly executed: number;
  /** All of it or nothing. @throws SqlError as Postgres would; Error when the store does not know the statement. */
  execute(statement: Statement): Answer;
}

export function createSimStore(options: SimStoreOptions): SimStore {
  const transaction = new Transaction();
  let ids = 0;
  const tables = createTables(transaction, {
    nowMs: options.nowMs,
    uuid: () => uuidOf(`store ${(ids += 1)}`),
  });
  tables.mailbox_state.insert({ id: 1, partition_count: options.partitions });
  for (let partition = 0; partition < options.partitions; partition += 1)
    tables.partitions.insert({ partition });
  let executed = 0;
  return {
    tables,
    get executed() {
      return executed;
    },
    ...createScene(tables, transaction),
    execute: ({ name, text, values = [] }) => {
      executed += 1;
      const handler = handlers.get(name);
      if (!handler) throw new Error(`the simulated store knows no statement ${name}`);
      const context = { tables, nowMs: options.nowMs(), text };
      return transaction.run(() => handler(context, values));
    },
  };
}

/** The same for the same text: what the store makes up is no chance either. */
function uuidOf(text: string): string {
  const hex = createHash("sha256").update(text).digest("hex");
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-8${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}
