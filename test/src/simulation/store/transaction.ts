// Owns atomicity: what one statement did is undone when it fails, and what it may only be judged by at its end (references) is judged then.

export class Transaction {
  readonly #undo: (() => void)[] = [];
  readonly #checks: (() => void)[] = [];
  #open = false;

  /** Notes how a change is taken back. */
  did(undo: () => void): void {
    if (this.#open) this.#undo.push(undo);
  }
  /** Judged when everything is done. */
  atEnd(check: () => void): void {
    if (this.#open) this.#checks.push(check);
    else check();
  }
  /** All of `work` or nothing of it. */
  run<T>(work: () => T): T {
    if (this.#open) return work();
    this.#open = true;
    try {
      const result = work();
      for (const check of this.#checks) check();
      return result;
    } catch (error) {
      for (const undo of this.#undo.toReversed()) undo();
      throw error;
    } finally {
      this.#open = false;
      this.#undo.length = 0;
      this.#checks.length = 0;
    }
  }
}
