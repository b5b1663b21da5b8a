// Owns what a scenario is. Types alone.
import type { Row } from "./client.js";
import type { Rows } from "./rows.js";
import type { Scene } from "./scene.js";

export interface Scenario {
  /** Names its recording and its target. */
  id: string;
  title: string;
  /** Ids of the behaviours that it shows, besides those that have a test of their own (see docs/behaviour.md). */
  rows?: readonly string[];
  /** What the recording shows of the reference. */
  why: string;
  run(scene: Scene): Promise<void>;
  /**
   * Where the recording shows a defect (target "better") or either way is right ("free"): what must be seen, as an assertion that throws.
   * `rows` are as they came from Postgres, after everything has come to rest.
   */
  want?(scene: Scene, rows: Rows): void | Promise<void>;
  /** With "better": everything else is as recorded, but for the steps that this names. */
  apartFrom?(step: Row): boolean;
  /** Frames are recorded too. */
  ws?: boolean;
  /** Columns whose value the reference itself does not repeat. */
  free?: readonly string[];
}
