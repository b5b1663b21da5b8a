/** Words of the rows that several checks need, as lists of SQL. */

/** Statuses in which a run is over. */
export const over = "('succeeded', 'failed', 'cancelled', 'timed_out')";
/** Statuses in which a wake is over. */
export const wakeOver = "('completed', 'failed', 'cancelled', 'timed_out', 'coalesced', 'skipped')";
/** What the closing event of a run says. */
export const closings = "('run succeeded', 'run failed', 'run cancelled', 'run timed_out')";
/** Phases in which a run has a slot. */
export const withSlot = "('dispatched', 'running', 'cancelling')";
/** Phases in which a process may live. */
export const withProcess = "('running', 'cancelling')";
