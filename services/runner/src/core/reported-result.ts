/**
 * What an agent says of its own work: usage, cost, session, summary. Each field stands for itself: a
 * wrong one is named and left out, and does not take the others with it. Pure.
 */
import { runResultSchema } from "@reveille/shared/protocol/execution";
import type { RunResult, UsageSoFar } from "@reveille/shared/protocol/execution";

const {
  exitCode: _exitCode,
  signal: _signal,
  timedOut: _timedOut,
  threw: _threw,
  ...fields
} = runResultSchema.shape;
export type Reported = Partial<Omit<RunResult, "exitCode" | "signal" | "timedOut" | "threw">>;

export interface ReadReport {
  reported: Reported;
  /** For people: which fields were wrong, and how. At most ten. */
  wrong: string[];
}
const wrongMax = 10;

/** One line of JSON that must be an object. */
export function readReportLine(line: string): ReadReport {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch (error) {
    return { reported: {}, wrong: [`it is no JSON: ${(error as Error).message.slice(0, 200)}`] };
  }
  return readReport(value);
}

export function readReport(value: unknown): ReadReport {
  if (typeof value !== "object" || value === null || Array.isArray(value))
    return { reported: {}, wrong: ["it must be a JSON object"] };
  const reported: Record<string, unknown> = {};
  const wrong: string[] = [];
  for (const [name, given] of Object.entries(value)) {
    const schema = Object.hasOwn(fields, name) ? fields[name as keyof typeof fields] : undefined;
    if (!schema) {
      wrong.push(`${name.slice(0, 80)} is not known`);
      continue;
    }
    const read = schema.safeParse(given);
    if (read.success) {
      if (read.data !== undefined && read.data !== null) reported[name] = read.data;
      continue;
    }
    const [issue] = read.error.issues;
    wrong.push(`${[name, ...(issue?.path ?? [])].join(".")}: ${issue?.message}`);
  }
  return { reported, wrong: wrong.slice(0, wrongMax) };
}

/** The part that may be told before the end; null when there is none. */
export function usageOf({ usage, costUsd }: Reported): UsageSoFar | null {
  if (!usage && typeof costUsd !== "number") return null;
  return { ...(usage ? { usage } : {}), ...(typeof costUsd === "number" ? { costUsd } : {}) };
}
