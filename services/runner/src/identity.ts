/** What a runner says of itself to people. */

/** Told in the lease. */
export const runnerVersion = "0.1.0";
