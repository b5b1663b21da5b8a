/** What one check of `reveille doctor` says. Values alone. */

export type CheckStatus = "ok" | "warn" | "fail";

export interface Check {
  name: string;
  status: CheckStatus;
  /** What was found. */
  detail: string;
  /** What to do; null when there is nothing to do. */
  mend: string | null;
}

export const ok = (name: string, detail: string): Check => ({
  name,
  status: "ok",
  detail,
  mend: null,
});
export const warn = (name: string, detail: string, mend: string): Check => ({
  name,
  status: "warn",
  detail,
  mend,
});
export const fail = (name: string, detail: string, mend: string): Check => ({
  name,
  status: "fail",
  detail,
  mend,
});

/** A check that could not be made because something it stands on is missing; never `ok`. */
export async function guardedCheck(
  name: string,
  mend: string,
  make: () => Promise<Check | Check[]>,
): Promise<Check[]> {
  try {
    return [await make()].flat();
  } catch (error) {
    return [fail(name, (error as Error).message, mend)];
  }
}
