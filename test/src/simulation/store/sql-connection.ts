// Owns the way between a simulated process and the store: a pool of connections, the time that a statement and its answer take, and what
// can befall them. Knows no statement.
//
// What was sent reaches the store whatever becomes of the process; answers reach its code through its gate alone. Statements of one pool
// may overtake each other, as they travel on connections of their own.
import type { Sql, Statement } from "@reveille/shared/postgres/pool";
import type { Loop } from "../machine/loop.js";
import type { SimProcess } from "../machine/process.js";
import { SqlError } from "./sql-error.js";
import type { Answer, SimStore } from "./store.js";

/** What befalls one statement. */
export type SqlFault =
  /** Nobody answers at the address: nothing was sent. */
  | { kind: "unreachable" }
  /** The connection breaks before the statement is there. */
  | { kind: "lost-before" }
  /** The connection breaks when the statement has been executed and its answer is on the way. */
  | { kind: "lost-after" }
  /** The server says no, with a code: 53300 (too many connections), 57P01 (shutting down), 40P01 (deadlock). */
  | { kind: "refused"; code: string }
  /** No answer comes: the caller gives up when its own time is over. */
  | { kind: "silent"; executed: boolean };

/** The world's side: asked once for each statement and once for each way. */
export interface SqlFaults {
  next(process: string, statement: string): SqlFault | null;
  /** Milliseconds that one way takes. */
  delayMs(process: string): number;
}
export interface SqlNetwork {
  loop: Loop;
  faults: SqlFaults;
}
export interface SqlConnectionOptions {
  /** Connections at most: 10 by default, as a host's pool. */
  size?: number;
  /** 10 s by default, as of the shipped pool; a silent server is given up 5 s later. */
  statementTimeoutMs?: number;
}

/** 5 s, as of the shipped pool: the wait for a free connection, and what silence is granted above a statement's own limit. */
const patienceMs = 5_000;

interface Waiting {
  statement: Statement;
  answered: (answer: Answer) => void;
  failed: (error: Error) => void;
}

/** A pool of this process. */
export function connectSql(
  process: SimProcess,
  store: SimStore,
  network: SqlNetwork,
  options: SqlConnectionOptions = {},
): Sql {
  const silenceMs = (options.statementTimeoutMs ?? 10_000) + patienceMs;
  const waiting: Waiting[] = [];
  let free = options.size ?? 10;
  const next = (): void => {
    if (free === 0) return;
    const first = waiting.shift();
    if (!first) return;
    free -= 1;
    const ended = (): void => {
      free += 1;
      next();
    };
    travel(process, store, network, silenceMs, {
      statement: first.statement,
      answered: (answer) => {
        ended();
        first.answered(answer);
      },
      failed: (error) => {
        ended();
        first.failed(error);
      },
    });
  };
  return {
    query: <Row extends object>(statement: Statement) =>
      new Promise<{ rows: Row[]; rowCount: number | null }>((answered, failed) => {
        const mine: Waiting = {
          statement,
          answered: ({ rows, rowCount }) => answered({ rows: rows as Row[], rowCount }),
          failed,
        };
        waiting.push(mine);
        next();
        if (!waiting.includes(mine)) return;
        process.later(patienceMs, () => {
          const place = waiting.indexOf(mine);
          if (place < 0) return;
          waiting.splice(place, 1);
          failed(new Error("timeout exceeded when trying to connect"));
        });
      }),
  };
}

/** One statement there and back; exactly one of `answered` and `failed` is called, unless the process dies. */
function travel(
  process: SimProcess,
  store: SimStore,
  { loop, faults }: SqlNetwork,
  silenceMs: number,
  { statement, answered, failed }: Waiting,
): void {
  const fault = faults.next(process.name, statement.name);
  const way = (): number => faults.delayMs(process.name);
  // From the server back to the process: once sent it arrives even if the process is frozen meanwhile.
  const back = (call: () => void): void => void process.later(way(), call);
  if (fault?.kind === "unreachable")
    return back(() => failed(systemError("ECONNREFUSED", "connect ECONNREFUSED")));
  if (fault?.kind === "lost-before") return back(() => failed(broken()));
  if (fault?.kind === "silent")
    process.later(silenceMs, () => failed(new Error("Query read timeout")));
  // Parameters are text on the wire: what the caller does with its values afterwards changes nothing.
  const values = (statement.values ?? []).map((value) =>
    Array.isArray(value) ? [...value] : value,
  );
  const sent: Statement = { ...statement, values };
  loop.schedule(way(), () => {
    if (fault?.kind === "refused")
      return back(() => failed(new SqlError(fault.code, `refused with ${fault.code}`)));
    if (fault?.kind === "silent" && !fault.executed) return;
    const result = executed(store, sent);
    if (fault?.kind === "silent") return;
    back(() => {
      if (fault?.kind === "lost-after") failed(broken());
      else if (result instanceof Error) failed(result);
      else answered(result);
    });
  });
}

function executed(store: SimStore, statement: Statement): Answer | SqlError {
  try {
    return store.execute(statement);
  } catch (error) {
    // Anything else is a fault of the simulation: it ends the run with its own words.
    if (error instanceof SqlError) return error;
    throw error;
  }
}

const broken = (): Error => new Error("Connection terminated unexpectedly");
const systemError = (code: string, message: string): Error =>
  Object.assign(new Error(message), { code });
