import { describe, expect, test } from "vitest";
import { newId } from "@reveille/shared/protocol/ids";
import { wakeRequestSchema } from "@reveille/shared/protocol/wake";
import { assignmentWakes, commentWakes, mentionedNames } from "./issue-wakes.js";
import type { CommentFacts } from "./issue-wakes.js";
import type { IssueRow } from "./lookup.js";

const board = { type: "board", id: "local-board", companyId: null } as const;
const agentId = newId();
const companyId = newId();
const issue = { id: newId(), companyId, status: "todo", assigneeAgentId: agentId } as IssueRow;
const comment = { id: newId(), body: "hello" };
const facts: CommentFacts = {
  issue,
  actor: board,
  comment,
  reopenedFrom: null,
  interruptedRunId: null,
  mentioned: [],
};

describe("wakes of an assignment", () => {
  test("has Paperclip's reason, payload and context, and an id of its cause", () => {
    const [wake] = assignmentWakes(issue, board, "create", issue.id);
    expect(wake?.request).toMatchObject({
      source: "assignment",
      triggerDetail: "system",
      reason: "issue_assigned",
      payload: { issueId: issue.id, mutation: "create" },
      requestedByActorType: "user",
      requestedByActorId: "local-board",
      contextSnapshot: { issueId: issue.id, source: "issue.create" },
    });
    expect(wakeRequestSchema.safeParse(wake?.request).success).toBe(true);
    expect(assignmentWakes(issue, board, "create", issue.id)[0]?.wakeId).toBe(wake?.wakeId);
    expect(assignmentWakes(issue, board, "create", newId())[0]?.wakeId).not.toBe(wake?.wakeId);
  });
  test("an agent that takes work itself is not woken for it", () => {
    const self = { type: "agent", id: agentId, companyId, run: null } as const;
    expect(assignmentWakes(issue, self, "update", newId())).toEqual([]);
  });
});

describe("wakes of a comment", () => {
  test("the assignee is woken once, although it is mentioned too", () => {
    const other = newId();
    const wakes = commentWakes({ ...facts, mentioned: [agentId, other] });
    expect(wakes.map((wake) => [wake.agentId, wake.request["reason"]])).toEqual([
      [agentId, "issue_commented"],
      [other, "issue_comment_mentioned"],
    ]);
  });
  test("nobody is woken by a comment on a closed issue, unless it reopens it", () => {
    expect(commentWakes({ ...facts, issue: { ...issue, status: "done" } })).toEqual([]);
    const [wake] = commentWakes({ ...facts, reopenedFrom: "done" });
    expect(wake?.request).toMatchObject({
      reason: "issue_reopened_via_comment",
      payload: { reopenedFrom: "done", mutation: "comment" },
      contextSnapshot: { source: "issue.comment.reopen" },
    });
  });
  test("an agent does not wake itself", () => {
    const self = { type: "agent", id: agentId, companyId, run: null } as const;
    expect(commentWakes({ ...facts, actor: self, mentioned: [agentId] })).toEqual([]);
  });
});

test.each([
  ["hey @B look", ["b"]],
  ["@Bob-Smith, @bob-smith. and @Zoë!", ["bob-smith", "zoë"]],
  ["mail me@example.org or @@x", []],
  ["no one", []],
])("%j mentions %j", (body, names) => {
  expect(mentionedNames(body)).toEqual(names);
});
