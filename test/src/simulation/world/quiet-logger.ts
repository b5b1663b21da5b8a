// Owns the logger of simulated services: warnings go into the trace of the run, everything else nowhere.
import type { Logger } from "@reveille/shared/runtime/log";

/** `say` hears of warnings and worse. */
export function quietLogger(say: (text: string) => void): Logger {
  const said = (first: unknown, second?: unknown): void => {
    const text = typeof first === "string" ? first : String(second);
    const error = (first as { err?: Error } | null)?.err;
    const rest = typeof first === "object" && first !== null && !error ? ` ${shown(first)}` : "";
    say(`${text}${error ? `: ${error.message}` : ""}${rest}`);
  };
  const silent = (): void => undefined;
  const logger = {
    level: "warn",
    trace: silent,
    debug: silent,
    info: silent,
    warn: said,
    error: said,
    fatal: said,
    child: () => logger,
  };
  // What services use of pino's interface, and no more.
  return logger as unknown as Logger;
}

const shown = (value: object): string =>
  JSON.stringify(value, (_key, inner: unknown) =>
    typeof inner === "bigint" ? inner.toString() : inner,
  );
