/**
 * Where each identity hears answers to its own requests. Permissions name these prefixes, and they are what keeps one service from
 * reading, or writing, what is meant for another. Clients keep the usual `_INBOX`; a company's are below `_INBOX.<company>`.
 */
export const inboxPrefixes = {
  gateway: "_INBOX_gateway",
  agentActor: "_INBOX_actor",
  keeper: "_INBOX_keeper",
  operator: "_INBOX_operator",
  /** Of all pools: an actor host answers a question about secrets below it and nowhere else. */
  runners: "_INBOX_runner",
} as const;

/** Of the runners of one pool, and of their guards. */
export const runnerInboxPrefix = (pool: string): string => `${inboxPrefixes.runners}.${pool}`;

/** Of the clients of one company, on a server that gives companies credentials of their own. */
export const companyInboxPrefix = (companyId: string): string => `_INBOX.${companyId}`;
