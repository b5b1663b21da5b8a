/**
 * Ending early: Ctrl-C or SIGTERM stops what the running scenario started, in reverse order, before the bench
 * ends. Servers lead process groups of their own and would otherwise stay.
 */

const open: (() => Promise<void>)[] = [];
let interrupted = false;

/**
 * Makes `stop` safe to call twice and has it called when the bench is interrupted before. To be called before the
 * thing is started. @throws Error when the bench is being interrupted: nothing must be started any more.
 */
export function stoppable(stop: () => Promise<void>): () => Promise<void> {
  if (interrupted) throw new Error("interrupted");
  let stopping: Promise<void> | undefined;
  const once = (): Promise<void> => {
    const at = open.indexOf(once);
    if (at >= 0) open.splice(at, 1);
    return (stopping ??= stop());
  };
  open.push(once);
  return once;
}

/** Installs the handlers. The exit status is that of a process that died from the signal. */
export function stopOnSignals(say: (line: string) => void): void {
  const end = async (status: number): Promise<void> => {
    interrupted = true;
    say("interrupted: stopping what runs");
    for (const stop of open.toReversed())
      await stop().catch((error: unknown) => say(`not stopped: ${(error as Error).message}`));
    process.exit(status);
  };
  process.once("SIGINT", () => void end(130));
  process.once("SIGTERM", () => void end(143));
}
