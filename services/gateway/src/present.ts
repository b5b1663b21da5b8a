/** Runs as Paperclip's clients know them: its names and nothing of our own mechanics. */
import { rowSchema } from "@reveille/shared/postgres/row-schema";
import { heartbeatRuns } from "@reveille/shared/postgres/schema";

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
const row = rowSchema(heartbeatRuns);
const keysOf = <Key extends string>(keys: readonly Key[]) =>
  Object.fromEntries(keys.map((key) => [key, true])) as Record<Key, true>;
/** What `presentRun` gives. */
export const runSchema = row
  .pick(keysOf(runKeys))
  .extend({
    attempt: row.shape.attempt.optional(),
    retryOfRunId: row.shape.retryOfRunId.optional(),
  })
  .meta({ id: "Run" });

const defaults: Record<string, unknown> = { logCompressed: false };

/** Ours alone, beside Paperclip's keys. */
const detailKeys = [
  "issueId",
  "taskKey",
  "pool",
  "runnerId",
  "containment",
  "logCut",
  "losses",
  "cancelRequestedAt",
  "dispatchedAt",
  "traceparent",
] as const;
export const runDetailSchema = runSchema
  .extend(row.pick(keysOf(detailKeys)).shape)
  .meta({ id: "RunDetail" });

/** Our own view of one run: where it runs and what its log lacks, too. */
export function presentRunDetail(run: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return {
    ...presentRun(run),
    ...Object.fromEntries(detailKeys.map((key) => [key, run[key] ?? null])),
  };
}
