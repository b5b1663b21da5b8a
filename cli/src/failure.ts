/**
 * How the command ends: its exit codes, and the error that carries one. Knows no command and no
 * transport; texts of errors are for people and say what to do next.
 */

/** The exit codes, fixed: scripts rely on them. */
export const exitCodes = {
  /** Done; a followed run succeeded; doctor found nothing that fails. */
  ok: 0,
  /** A run ended failed, cancelled or timed out; doctor found something that fails; an unexpected error. */
  failed: 1,
  /** The command line, or what it names, is not right. */
  usage: 2,
  /** `verify` found nothing wrong in what it could check, and could not check everything that it was asked to. */
  unchecked: 2,
  /** Neither the HTTP API nor NATS (whichever is needed) answers. */
  unreachable: 3,
  /** No such agent, run, company or issue. */
  notFound: 4,
  /** The system said no: the agent is paused, a queue is full, wakes are switched off. */
  refused: 5,
} as const;
export type ExitCode = (typeof exitCodes)[keyof typeof exitCodes];

/** An end of the command that is expected: its message is complete, no stack is shown. */
export class CliFailure extends Error {
  override readonly name = "CliFailure";
  readonly exitCode: ExitCode;
  /** What to do about it, one line. */
  readonly hint: string | undefined;
  constructor(exitCode: ExitCode, message: string, hint?: string, options?: { cause?: unknown }) {
    super(message, options);
    this.exitCode = exitCode;
    this.hint = hint;
  }
}

export const usageFailure = (message: string, hint?: string): CliFailure =>
  new CliFailure(exitCodes.usage, message, hint);
export const notFound = (message: string, hint?: string): CliFailure =>
  new CliFailure(exitCodes.notFound, message, hint);
export const refused = (message: string, hint?: string): CliFailure =>
  new CliFailure(exitCodes.refused, message, hint);
export const unreachable = (message: string, hint?: string, cause?: unknown): CliFailure =>
  new CliFailure(exitCodes.unreachable, message, hint, { cause });

/** The exit code for a run's final status. */
export const exitCodeOfRun = (status: unknown): ExitCode =>
  status === "succeeded" ? exitCodes.ok : exitCodes.failed;
