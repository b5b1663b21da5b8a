// Owns what must be true of partitions (I13, I15): only the epoch in force writes, cursors move forward over messages that are there, and
// no message is applied twice or passed over. Believes the stream that the simulated server keeps, which it is shown message by message.
import type { Findings } from "./findings.js";
import type { PartitionRow } from "./rows.js";

export interface CursorMove {
  partition: number;
  epoch: number;
  fromSeq: number;
  toSeq: number;
  toNs: string;
}

export class CursorBook {
  readonly #findings: Findings;
  constructor(findings: Findings) {
    this.#findings = findings;
  }

  /** A batch was committed; `before`: the partition's row as it was right before. */
  committed(move: CursorMove, before: PartitionRow | undefined, who: string): void {
    const what = (text: string) => (): string =>
      `${text}: ${who} moves partition ${move.partition} from ${move.fromSeq} to ${move.toSeq} under epoch ${move.epoch}; ` +
      `it stood at ${before?.cursor_seq} under epoch ${before?.epoch}`;
    const hold = (condition: boolean, invariant: string, text: string): void =>
      this.#findings.hold(condition, invariant, what(text));
    hold(Number(before?.epoch) === move.epoch, "I13", "an old epoch writes");
    hold(
      Number(before?.cursor_seq) === move.fromSeq,
      "I15",
      "a batch that was decided on another cursor",
    );
    hold(move.toSeq > move.fromSeq, "I15", "a cursor that does not move forward");
  }
}
