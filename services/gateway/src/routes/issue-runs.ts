/** The runs of an issue, and the issues of a run. */
import type { Database } from "@reveille/shared/postgres/pool";
import { rowSchema } from "@reveille/shared/postgres/row-schema";
import { heartbeatRuns, issues } from "@reveille/shared/postgres/schema";
import { z } from "zod";
import type { Context } from "../context.js";
import { findIssue, findRunHead, issueParams, runParams } from "../lookup.js";
import type { IssueRow, RunRow } from "../lookup.js";
import { presentRun, runSchema } from "../present.js";
import type { AnyRoute } from "../route.js";
import { route } from "../route.js";
import { liveRunSchema, liveRuns } from "../run-queries.js";

const run = rowSchema(heartbeatRuns).shape;
const runOfIssueSchema = z.strictObject({
  runId: run.id,
  status: run.status,
  agentId: run.agentId,
  startedAt: run.startedAt,
  finishedAt: run.finishedAt,
  createdAt: run.createdAt,
  invocationSource: run.invocationSource,
  usageJson: run.usageJson,
  resultJson: run.resultJson,
});
const activeRunSchema = runSchema
  .extend({ agentName: z.string().nullable(), adapterType: z.string().nullable() })
  .nullable();
const issue = rowSchema(issues).shape;
const issueOfRunSchema = z.strictObject({
  issueId: issue.id,
  identifier: issue.identifier,
  title: issue.title,
  status: issue.status,
  priority: issue.priority,
});

export function issueRunRoutes({ db, pool }: Context): AnyRoute[] {
  return [
    route({
      method: "GET",
      path: "/api/issues/:issueId/runs",
      summary: "Runs of an issue, the newest first, 1,000 at most",
      params: issueParams,
      responses: { 200: z.array(runOfIssueSchema) },
      handle: async ({ params, actor }) => {
        const issue = await findIssue(db, actor, params.issueId);
        const rows = await db.query.heartbeatRuns.findMany({
          where: (table, { eq }) => eq(table.issueId, issue.id),
          orderBy: (table, { desc }) => [desc(table.createdAt), desc(table.id)],
          limit: 1_000,
        });
        return rows.map(runOfIssue);
      },
    }),
    route({
      method: "GET",
      path: "/api/issues/:issueId/live-runs",
      summary: "Runs of an issue that are queued or running",
      params: issueParams,
      responses: { 200: z.array(liveRunSchema.omit({ issueId: true })) },
      handle: async ({ params, actor }) => {
        const issue = await findIssue(db, actor, params.issueId);
        const rows = await liveRuns(pool, { companyId: issue.companyId, issueId: issue.id });
        // The issue is known: Paperclip leaves it out here.
        return rows.map((run) => ({ ...run, issueId: undefined }));
      },
    }),
    route({
      method: "GET",
      path: "/api/issues/:issueId/active-run",
      summary: "The run that works on the issue, or null",
      params: issueParams,
      responses: { 200: activeRunSchema },
      handle: async ({ params, actor }) => {
        const issue = await findIssue(db, actor, params.issueId);
        return activeRun(db, issue.id);
      },
    }),
    route({
      method: "GET",
      path: "/api/heartbeat-runs/:runId/issues",
      summary: "The issues that a run worked on",
      params: runParams,
      responses: { 200: z.array(issueOfRunSchema) },
      handle: async ({ params, actor }) => {
        const { issueId, companyId } = await findRunHead(db, actor, params.runId);
        if (!issueId) return [];
        const rows = await db.query.issues.findMany({
          where: (table, { and, eq }) => and(eq(table.id, issueId), eq(table.companyId, companyId)),
        });
        return rows.map(issueOfRun);
      },
    }),
  ];
}

const runOfIssue = (run: RunRow) => ({
  runId: run.id,
  status: run.status,
  agentId: run.agentId,
  startedAt: run.startedAt,
  finishedAt: run.finishedAt,
  createdAt: run.createdAt,
  invocationSource: run.invocationSource,
  usageJson: run.usageJson,
  resultJson: run.resultJson,
});

const issueOfRun = (issue: IssueRow) => ({
  issueId: issue.id,
  identifier: issue.identifier,
  title: issue.title,
  status: issue.status,
  priority: issue.priority,
});

/** The run that holds the issue, else the one that runs or waits longest for it. */
async function activeRun(db: Database, issueId: string): Promise<Record<string, unknown> | null> {
  const run = await db.query.heartbeatRuns.findFirst({
    where: (table, { and, eq, inArray }) =>
      and(eq(table.issueId, issueId), inArray(table.status, ["queued", "running"])),
    orderBy: (table, { asc, desc }) => [
      desc(table.holdsIssue),
      desc(table.status),
      asc(table.createdAt),
    ],
  });
  if (!run) return null;
  const agent = await db.query.agents.findFirst({
    columns: { name: true, adapterType: true },
    where: (table, { eq }) => eq(table.id, run.agentId),
  });
  const { name = null, adapterType = null } = agent ?? {};
  return { ...presentRun(run), agentName: name, adapterType };
}
