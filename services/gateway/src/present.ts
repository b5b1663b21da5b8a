/** Rows as Paperclip's clients know them: its names and nothing of our own mechanics. */

const runKeys = [
  "id",
  "companyId",
  "agentId",
  "invocationSource",
  "triggerDetail",
  "status",
  "startedAt",
  "finishedAt",
  "error",
  "errorCode",
  "wakeupRequestId",
  "exitCode",
  "signal",
  "usageJson",
  "resultJson",
  "sessionIdBefore",
  "sessionIdAfter",
  "logStore",
  "logRef",
  "logBytes",
  "logSha256",
  "logCompressed",
  "stdoutExcerpt",
  "stderrExcerpt",
  "externalRunId",
  "contextSnapshot",
  "createdAt",
  "updatedAt",
] as const;
/** Ours, and of use to who follows a run; a verdict's run has none of it. */
const ownKeys = ["attempt", "retryOfRunId"] as const;

/** A run: the row, or what the verdict repeats of it. */
export function presentRun(run: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries([
    ...runKeys.map((key) => [key, run[key] ?? defaults[key] ?? null]),
    ...ownKeys.filter((key) => key in run).map((key) => [key, run[key]]),
  ]);
}
const defaults: Record<string, unknown> = { logCompressed: false };

/** Our own view of one run: where it runs and what its log lacks, too. */
export function presentRunDetail(run: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const own = ["issueId", "taskKey", "pool", "runnerId", "containment", "logCut", "losses"];
  return {
    ...presentRun(run),
    ...Object.fromEntries(own.map((key) => [key, run[key] ?? null])),
    cancelRequestedAt: run["cancelRequestedAt"] ?? null,
    dispatchedAt: run["dispatchedAt"] ?? null,
  };
}
