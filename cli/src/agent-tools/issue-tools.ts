/** Tools about the work itself: the task, its issue, and what was said about it. */
import { z } from "zod";
import type { Row } from "../api.js";
import { usageFailure } from "../failure.js";
import { defineTool } from "./tool.js";
import type { OwnRun, Tool } from "./tool.js";

const issueInput = z
  .string()
  .max(64)
  .optional()
  .describe("Id or key (ABC-7) of an issue; left out: the issue of this run");

/** A model reads it all: the newest comments are what it needs. */
const commentsMax = 50;

const getTask = defineTool({
  name: "get_task",
  description:
    "What this run is about: why it was started, its issue with title and description, and the question of another agent if that started it.",
  input: z.strictObject({}),
  run: async (run) => {
    const row = await readRun(run);
    const context = contextOf(row);
    const ask = (context["ask"] ?? null) as Row | null;
    const id = issueIdOf(row);
    return {
      runId: run.runId,
      agentId: run.agentId,
      reason: context["wakeReason"] ?? null,
      commentIds: context["wakeCommentIds"] ?? [],
      asked: ask && { by: ask["agentName"], message: ask["message"] },
      issue: id === null ? null : shownIssue((await run.api.get(`/issues/${id}`)) as Row),
    };
  },
});

const listComments = defineTool({
  name: "list_comments",
  description: "Comments on an issue, the oldest first.",
  input: z.strictObject({
    issue: issueInput,
    limit: z.int().min(1).max(commentsMax).default(20).describe("The last so many"),
  }),
  run: async (run, { issue, limit }) => {
    const comments = await run.api.list(`/issues/${await named(run, issue)}/comments`);
    return comments
      .slice(0, limit)
      .toReversed()
      .map(({ id, body, authorAgentId, authorUserId, createdAt }) => ({
        id,
        body,
        by: authorAgentId ?? authorUserId ?? null,
        mine: authorAgentId === run.agentId,
        createdAt,
      }));
  },
});

const comment = defineTool({
  name: "comment",
  description:
    "Writes a comment on an issue, for people and other agents. Its assignee, and agents that are mentioned with @name, are woken by it.",
  input: z.strictObject({ body: z.string().min(1).max(100_000), issue: issueInput }),
  run: async (run, { body, issue }) => {
    const written = await run.api.post(`/issues/${await named(run, issue)}/comments`, { body });
    return { id: written["id"], issueId: written["issueId"] };
  },
});

export const issueTools: readonly Tool[] = [getTask, listComments, comment];

const readRun = async (run: OwnRun): Promise<Row> =>
  (await run.api.get(`/heartbeat-runs/${run.runId}`)) as Row;
const contextOf = (row: Row): Row => (row["contextSnapshot"] ?? {}) as Row;

/** The run's own issue, else the one that it was asked about. */
function issueIdOf(row: Row): string | null {
  const context = contextOf(row);
  const ask = (context["ask"] ?? {}) as Row;
  const found = row["issueId"] ?? context["issueId"] ?? ask["issueId"];
  return typeof found === "string" && found !== "" ? found : null;
}

async function named(run: OwnRun, issue: string | undefined): Promise<string> {
  if (issue !== undefined) return encodeURIComponent(issue);
  const id = issueIdOf(await readRun(run));
  if (id === null) throw usageFailure("this run has no issue: name one");
  return id;
}

const shownIssue = (issue: Row): Row =>
  Object.fromEntries(
    ["id", "identifier", "title", "description", "status", "priority", "projectId", "parentId"].map(
      (key) => [key, issue[key] ?? null],
    ),
  );
