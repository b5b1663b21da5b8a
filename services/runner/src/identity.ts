/** Names under which a runner is known to NATS and to people. */

/** Own inboxes: what a client without credentials may read is `_INBOX.>`, and this is not below it. */
export const runnerInboxPrefix = "_INBOX_runner";

/** Told in the lease. */
export const runnerVersion = "0.1.0";
