/** Every check there is, in the order of the invariants. */
import type { Check } from "./check.js";
import { eventChecks } from "./checks/events.js";

export const catalogue: readonly Check[] = [...eventChecks];
