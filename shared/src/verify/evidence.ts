/** What checks judge by: the snapshot, what is asked anew, streams, and what was written down outside of the system. Types alone. */
import type { NatsBus } from "../nats/bus.js";
import type { Subjects } from "../protocol/subjects.js";
import type { TopologyNames } from "../protocol/topology.js";
import type { Clock } from "../runtime/clock.js";
import type { History } from "./history-index.js";
import type { Snapshot } from "./snapshot.js";
import type { Witnessed } from "./witness-index.js";

export interface StreamAccess {
  bus: NatsBus;
  subjects: Subjects;
  names: TopologyNames;
}

/** Ms since 1970: what was stored from `from` on was gone at `to`. */
export interface LostSpan {
  from: number;
  to: number;
}

export interface Evidence {
  /** Only for checks of the stage `snapshot`. */
  snapshot: Snapshot;
  /** One statement outside of the snapshot: how it is now. */
  ask<Row extends object>(sql: string, values?: readonly unknown[]): Promise<Row[]>;
  streams?: StreamAccess;
  history?: History;
  witness?: Witnessed;
  /** Values that nobody may find anywhere. */
  canaries?: readonly string[];
  /** Nothing may be under way any more. */
  atRest: boolean;
  /** How long what is under way between Postgres and NATS may take. */
  settleMs: number;
  /** Rows shown of one violation. */
  rowsMax: number;
  /** Things that may be wrong for a moment and are looked at again, at most. */
  candidatesMax: number;
  /** The newest runs whose logs are read. */
  logsMax: number;
  /** What was stored within is lost. */
  lostSpans: readonly LostSpan[];
  clock: Clock;
}
