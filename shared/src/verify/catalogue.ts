/** Every check there is, in the order of the invariants. */
import type { Check } from "./check.js";
import { agentChecks } from "./checks/agents.js";
import { answerChecks } from "./checks/answers.js";
import { canaryChecks } from "./checks/canaries.js";
import { commentChecks } from "./checks/comments.js";
import { eventChecks } from "./checks/events.js";
import { executionChecks } from "./checks/executions.js";
import { issueChecks } from "./checks/issues.js";
import { leftoverChecks } from "./checks/leftovers.js";
import { lockChecks } from "./checks/locks.js";
import { logChecks } from "./checks/logs.js";
import { mailboxChecks } from "./checks/mailbox.js";
import { moneyChecks } from "./checks/money.js";
import { ownerChecks } from "./checks/owners.js";
import { samenessChecks } from "./checks/sameness.js";
import { slotChecks } from "./checks/slots.js";
import { startChecks } from "./checks/starts.js";
import { tenantChecks } from "./checks/tenants.js";
import { terminalChecks } from "./checks/terminal.js";
import { timeChecks } from "./checks/times.js";
import { timerChecks } from "./checks/timers.js";
import { waitChecks } from "./checks/waits.js";
import { wakeChecks } from "./checks/wakes.js";

export const catalogue: readonly Check[] = [
  ...issueChecks,
  ...slotChecks,
  ...wakeChecks,
  ...answerChecks,
  ...waitChecks,
  ...startChecks,
  ...logChecks,
  ...eventChecks,
  ...tenantChecks,
  ...terminalChecks,
  ...lockChecks,
  ...ownerChecks,
  ...executionChecks,
  ...mailboxChecks,
  ...samenessChecks,
  ...moneyChecks,
  ...commentChecks,
  ...agentChecks,
  ...timeChecks,
  ...timerChecks,
  ...canaryChecks,
  ...leftoverChecks,
];
