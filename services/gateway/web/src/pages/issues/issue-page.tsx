/** One issue: what it is, who holds it and who waits for it, what was said, which runs worked on it. */
import { useQueryClient } from "@tanstack/preact-query";
import { useState } from "preact/hooks";
import { request } from "../../api/client.js";
import { useAgents, useComments, useIssue, useIssueRuns } from "../../api/queries.js";
import type { Agent, Issue, IssueComment } from "../../api/types.js";
import { Link } from "../../shell/router.js";
import { useTell } from "../../shell/toasts.js";
import { dateTime, relative, shortId } from "../../view/format.js";
import { useNow } from "../../view/now.js";
import { Empty, Loaded, Section, StatusBadge } from "../../view/parts.js";
import { RunList } from "../run/run-list.js";
import { Lock } from "./lock.js";

type Names = ReadonlyMap<string, string>;

export function IssuePage({ companyId, issueId }: { companyId: string; issueId: string }) {
  const issue = useIssue(issueId);
  const agents = useAgents(companyId).data ?? [];
  const names: Names = new Map(agents.map(({ id, name }) => [id, name]));
  return (
    <Loaded of={issue}>
      {(found) => (
        <>
          <IssueHead companyId={companyId} issue={found} agents={agents} />
          <div class="columns">
            <div class="stack">
              {found.description ? (
                <Section title="Description">
                  <p class="prose">{found.description}</p>
                </Section>
              ) : null}
              <Comments issue={found} names={names} />
              <Runs companyId={companyId} issueId={found.id} names={names} />
            </div>
            <div class="stack">
              <Lock companyId={companyId} issueId={found.id} />
            </div>
          </div>
        </>
      )}
    </Loaded>
  );
}

function IssueHead({
  companyId,
  issue,
  agents,
}: {
  companyId: string;
  issue: Issue;
  agents: readonly Agent[];
}) {
  const client = useQueryClient();
  const tell = useTell();
  const assign = async (assigneeAgentId: string | null): Promise<void> => {
    const key = ["issue", issue.id];
    client.setQueryData<Issue>(key, (now) => now && { ...now, assigneeAgentId });
    try {
      await request("PATCH", `/issues/${issue.id}`, { assigneeAgentId });
    } catch (error) {
      client.setQueryData<Issue>(
        key,
        (now) => now && { ...now, assigneeAgentId: issue.assigneeAgentId },
      );
      tell.failed("The issue was not assigned", error);
    }
    void client.invalidateQueries({ queryKey: ["issue"] });
  };
  return (
    <header class="page-head">
      <div>
        <p class="trail">
          <Link href={`/${companyId}/issues`}>Issues</Link> /{" "}
          <span class="mono">{issue.identifier ?? shortId(issue.id)}</span>
        </p>
        <h1>
          {issue.title} <StatusBadge status={issue.status} />
        </h1>
      </div>
      <label class="inline">
        Assignee
        <select
          value={issue.assigneeAgentId ?? ""}
          onChange={({ currentTarget }) => void assign(currentTarget.value || null)}
        >
          <option value="">nobody</option>
          {agents.map(({ id, name }) => (
            <option key={id} value={id}>
              {name}
            </option>
          ))}
        </select>
      </label>
    </header>
  );
}

function Comments({ issue, names }: { issue: Issue; names: Names }) {
  const comments = useComments(issue.id);
  return (
    <Section title="Comments">
      <Loaded of={comments}>
        {(found) =>
          found.length === 0 ? (
            <Empty title="Nobody has said anything" />
          ) : (
            <Said of={found} names={names} />
          )
        }
      </Loaded>
      <NewComment issueId={issue.id} />
    </Section>
  );
}

function Said({ of, names }: { of: readonly IssueComment[]; names: Names }) {
  const now = useNow();
  return (
    <ol class="comments">
      {of.toReversed().map(({ id, body, authorAgentId, authorUserId, createdAt }) => (
        <li key={id}>
          <header>
            <strong>
              {authorAgentId
                ? (names.get(authorAgentId) ?? "an agent")
                : (authorUserId ?? "somebody")}
            </strong>
            <time dateTime={createdAt} title={dateTime(createdAt)}>
              {relative(createdAt, now)}
            </time>
          </header>
          <p class="prose">{body}</p>
        </li>
      ))}
    </ol>
  );
}

function NewComment({ issueId }: { issueId: string }) {
  const client = useQueryClient();
  const tell = useTell();
  const [body, setBody] = useState("");
  const [interrupt, setInterrupt] = useState(false);
  const send = async (): Promise<void> => {
    try {
      await request("POST", `/issues/${issueId}/comments`, {
        body,
        ...(interrupt ? { interrupt } : {}),
      });
      setBody("");
    } catch (error) {
      tell.failed("The comment was not written", error);
    }
    void client.invalidateQueries({ queryKey: ["issue", issueId] });
  };
  return (
    <form
      class="fields"
      onSubmit={(event) => {
        event.preventDefault();
        void send();
      }}
    >
      <label>
        <span class="unseen">New comment</span>
        <textarea
          rows={3}
          required
          placeholder="Say something. The assignee and agents that are mentioned are woken."
          value={body}
          onInput={({ currentTarget }) => setBody(currentTarget.value)}
        />
      </label>
      <footer>
        <label class="inline">
          <input
            type="checkbox"
            checked={interrupt}
            onChange={({ currentTarget }) => setInterrupt(currentTarget.checked)}
          />
          Cancel the run that works on it first
        </label>
        <button type="submit" class="primary" disabled={body.trim() === ""}>
          Comment
        </button>
      </footer>
    </form>
  );
}

function Runs({ companyId, issueId, names }: { companyId: string; issueId: string; names: Names }) {
  const runs = useIssueRuns(issueId);
  return (
    <Section title="Runs">
      <Loaded of={runs}>
        {(found) =>
          found.length === 0 ? (
            <Empty title="No run has worked on it" />
          ) : (
            <RunList
              companyId={companyId}
              names={names}
              runs={found.map(({ runId, ...run }) => ({ ...run, id: runId }))}
            />
          )
        }
      </Loaded>
    </Section>
  );
}
