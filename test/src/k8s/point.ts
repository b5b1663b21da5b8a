// Owns what one point of the list is: a number, a sentence, and a function that says what is wrong. Knows no rule.
import type { Facts } from "./facts.js";
import type { Rendering } from "./rendering.js";

export interface Point {
  readonly number: number;
  /** What holds when nothing is wrong. */
  readonly title: string;
  /** What is wrong, each with the object's name; empty: nothing. Pure. */
  readonly check: (rendering: Rendering, facts: Facts) => string[];
}
