/** What a command's action is given and gives back. Types alone. */
import type { Context } from "./context.js";
import type { ExitCode } from "./failure.js";

export interface Invocation<Options> {
  readonly context: Context;
  readonly options: Options;
  /** The positional arguments, as many as the command declares. */
  readonly args: readonly string[];
}
type Handler<Options> = (invocation: Invocation<Options>) => Promise<ExitCode | void>;
/** Makes a commander action of a handler: gives it a context, closes that, keeps the exit code. */
export type Action = <Options = object>(
  handler: Handler<Options>,
) => (...parameters: unknown[]) => Promise<void>;
