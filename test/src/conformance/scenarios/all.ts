// Owns the list of all scenarios, in the order of their names.
import type { Scenario } from "../scenario.js";
import { accessScenarios } from "./access.js";
import { cancellingScenarios } from "./cancelling.js";
import { coalescingScenarios } from "./coalescing.js";
import { httpAdapterScenarios } from "./http-adapter.js";
import { issueEventScenarios } from "./issue-events.js";
import { issueLockScenarios } from "./issue-locks.js";
import { outcomeScenarios } from "./outcomes.js";
import { readingScenarios } from "./reading.js";
import { timerScenarios } from "./timers.js";
import { wakeScenarios } from "./wakes.js";

export const scenarios: readonly Scenario[] = [
  ...wakeScenarios,
  ...coalescingScenarios,
  ...issueLockScenarios,
  ...issueEventScenarios,
  ...cancellingScenarios,
  ...outcomeScenarios,
  ...httpAdapterScenarios,
  ...readingScenarios,
  ...accessScenarios,
  ...timerScenarios,
].toSorted((a, b) => (a.id < b.id ? -1 : 1));
