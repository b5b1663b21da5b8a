/**
 * Operational errors: what went wrong outside our own logic, and what the caller should do about it.
 * Expected outcomes (duplicate, stale, rejected) are values and never appear here; a broken
 * invariant is an `InvariantViolation` and crashes the activation that holds it.
 */

/** `retry`: again with backoff. `reject`: never succeeds as it is. `step-down`: ownership is gone. */
export type Disposition = "retry" | "reject" | "step-down" | "overloaded";

export class RuntimeError extends Error {
  readonly code: string;
  readonly disposition: Disposition;
  constructor(
    code: string,
    disposition: Disposition,
    message: string,
    options?: { cause?: unknown },
  ) {
    super(message, options);
    this.name = code;
    this.code = code;
    this.disposition = disposition;
  }
}

/** NATS or JetStream did not answer, or answered that it cannot now. The operation may have happened. */
export const brokerUnavailable = (message: string, cause?: unknown): RuntimeError =>
  new RuntimeError("BrokerUnavailable", "retry", message, { cause });
/** JetStream refused what was published (a limit, a missing stream). It was not stored. */
export const brokerRefused = (message: string, cause?: unknown): RuntimeError =>
  new RuntimeError("BrokerRefused", "reject", message, { cause });
/** Postgres did not answer, or ended the session. A transaction in flight may have been committed. */
export const storeUnavailable = (message: string, cause?: unknown): RuntimeError =>
  new RuntimeError("StoreUnavailable", "retry", message, { cause });
/** A batch met another epoch: somebody else owns one of its partitions. Nothing was written. */
export const fencedOut = (message: string): RuntimeError =>
  new RuntimeError("FencedOut", "step-down", message);
/** What runs is older than the database, or a stream is not what it must be. */
export const wrongVersion = (message: string): RuntimeError =>
  new RuntimeError("WrongVersion", "step-down", message);

export class InvariantViolation extends Error {
  override readonly name = "InvariantViolation";
  readonly context: Record<string, unknown>;
  constructor(message: string, context: Record<string, unknown> = {}) {
    super(message);
    this.context = context;
  }
}

/** Throws an `InvariantViolation` when what must hold does not. */
export function invariant(
  condition: unknown,
  message: string,
  context?: Record<string, unknown>,
): asserts condition {
  if (!condition) throw new InvariantViolation(message, context);
}
