// Owns one direction of a pipe between two simulated processes of a machine: in order, a moment late, heard when the hearer runs. What was
// written before the writer died is still heard.
import type { Loop } from "../machine/loop.js";
import type { SimProcess } from "../machine/process.js";
import type { Random } from "../machine/random.js";

/** One write, microseconds: what a pipe and a wake-up of the reader take on a machine with room. */
const hopUs = { least: 10, most: 400 } as const;

export class Channel {
  readonly #loop: Loop;
  readonly #random: Random;
  readonly #to: SimProcess;
  #lastMs: number;

  /** `openAtMs`: nothing is heard before, as long as the hearer still starts. */
  constructor(loop: Loop, random: Random, to: SimProcess, openAtMs = 0) {
    this.#loop = loop;
    this.#random = random;
    this.#to = to;
    this.#lastMs = openAtMs;
  }

  send(call: () => void): void {
    const { nowMs } = this.#loop;
    const dueMs = nowMs + this.#random.between(hopUs.least, hopUs.most) / 1_000;
    this.#lastMs = Math.max(this.#lastMs, dueMs);
    this.#to.later(this.#lastMs - nowMs, call);
  }
}
