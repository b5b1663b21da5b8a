// Owns what was found wrong in a simulated run: which invariant (I1 to I25 of the fault model, G1 to G10 of the guarantees), when, and
// what shows it. The first finding ends the run, so that what led to it is still in the trace.

export interface Finding {
  /** The broken promise, such as `I1`. */
  invariant: string;
  what: string;
  atMs: number;
}

export class Findings {
  readonly #nowMs: () => number;
  #first: Finding | null = null;

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
  }
  get first(): Finding | null {
    return this.#first;
  }
  add(invariant: string, what: string): void {
    this.#first ??= { invariant, what, atMs: this.#nowMs() };
  }
  /** Adds a finding unless the condition holds; `what` is called only then. */
  hold(condition: boolean, invariant: string, what: () => string): void {
    if (!condition) this.add(invariant, what());
  }
}
