// Owns a wall clock that a test sets for one service: a module that Node loads before the service's own, which moves `Date` by what a
// file says. Monotonic time stays true, as in a leap of a machine's clock. No code of the product takes part.
import { writeFileSync } from "node:fs";
import { join } from "node:path";

export interface JumpingClock {
  /** For the service's environment. */
  readonly env: NodeJS.ProcessEnv;
  /** From now on the service's clock is so far ahead (negative: behind). */
  jump(offsetMs: number): void;
}

/** The file is looked at so often (ms) at most: `Date` is asked thousands of times a second. */
const lookMs = 20;

const program = `
import { readFileSync } from "node:fs";
const Real = Date;
let offset = 0;
let looked = -Infinity;
const now = () => {
  const at = performance.now();
  if (at - looked > ${lookMs}) {
    looked = at;
    offset = Number(readFileSync(process.env.TEST_CLOCK_FILE, "utf8"));
  }
  return Real.now() + offset;
};
globalThis.Date = class Date extends Real {
  constructor(...parts) {
    if (parts.length === 0) super(now());
    else super(...parts);
  }
  static now() {
    return now();
  }
  static [Symbol.hasInstance](value) {
    return value instanceof Real;
  }
};
`;

/** Files go into `folder`, which outlives the service. */
export function openJumpingClock(folder: string): JumpingClock {
  const [module, file] = [join(folder, "jumping-clock.mjs"), join(folder, "clock-offset")];
  writeFileSync(module, program);
  writeFileSync(file, "0");
  return {
    env: { NODE_OPTIONS: `--import=${module}`, TEST_CLOCK_FILE: file },
    jump: (offsetMs) => writeFileSync(file, String(offsetMs)),
  };
}
