// Owns what every part of a simulated world stands on: time, chance, the store, NATS, what is watched and remembered.
import type { Subjects } from "@reveille/shared/protocol/subjects";
import type { TopologyNames } from "@reveille/shared/protocol/topology";
import type { Logger } from "@reveille/shared/runtime/log";
import type { Loop } from "../machine/loop.js";
import { SimProcess } from "../machine/process.js";
import type { Random } from "../machine/random.js";
import type { SimNats } from "../nats/sim-nats.js";
import { connectSql } from "../store/sql-connection.js";
import type { SqlConnectionOptions, SqlFaults } from "../store/sql-connection.js";
import type { SimStore } from "../store/store.js";
import type { Sql } from "@reveille/shared/postgres/pool";
import type { Findings } from "./findings.js";
import { quietLogger } from "./quiet-logger.js";
import type { Scenario } from "./scenario.js";
import type { StoreWitness } from "./store-witness.js";
import type { Trace } from "./trace.js";

export interface Ground {
  scenario: Scenario;
  loop: Loop;
  random: Random;
  store: SimStore;
  sqlFaults: SqlFaults;
  nats: SimNats;
  subjects: Subjects;
  names: TopologyNames;
  witness: StoreWitness;
  findings: Findings;
  trace: Trace;
}

/** Its logger writes into the trace. */
export const loggerOf = ({ trace, loop }: Ground, process: SimProcess): Logger =>
  quietLogger((text) => trace.note(loop.nowMs, process.name, "says", text));

/** A pool of the process, watched. */
export const sqlOf = (
  { store, witness, loop, sqlFaults }: Ground,
  process: SimProcess,
  options: SqlConnectionOptions,
): Sql =>
  connectSql(
    process,
    { ...store, execute: (statement) => witness.execute(process.name, statement) },
    { loop, faults: sqlFaults },
    options,
  );
