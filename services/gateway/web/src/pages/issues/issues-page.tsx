/** Issues of a company as a board by status; one of them when the path names it. */
import { useState } from "preact/hooks";
import type { PageProps } from "../../app.js";
import { useAgents, useIssues } from "../../api/queries.js";
import type { Issue } from "../../api/types.js";
import { Link } from "../../shell/router.js";
import { relative } from "../../view/format.js";
import { useNow } from "../../view/now.js";
import { Empty, Loaded, StatusBadge } from "../../view/parts.js";
import { IssuePage } from "./issue-page.js";

/** Columns of the board, from what waits to what is over. */
const statuses = ["backlog", "todo", "in_progress", "in_review", "blocked", "done", "cancelled"];
/** Cards of one column: the rest is found by search. */
const cardsMax = 100;

export function IssuesPage({ company, id }: PageProps) {
  return id === "" ? (
    <Board companyId={company.id} />
  ) : (
    <IssuePage companyId={company.id} issueId={id} />
  );
}

function Board({ companyId }: { companyId: string }) {
  const issues = useIssues(companyId);
  const agents = useAgents(companyId);
  const [search, setSearch] = useState("");
  const names = new Map(agents.data?.map(({ id, name }) => [id, name]));
  const nameOf = ({ assigneeAgentId }: Issue): string =>
    assigneeAgentId ? (names.get(assigneeAgentId) ?? "") : "";
  const wanted = search.toLowerCase();
  const has = (issue: Issue): boolean =>
    `${issue.identifier ?? ""} ${issue.title} ${nameOf(issue)}`.toLowerCase().includes(wanted);
  return (
    <>
      <div class="tools">
        <h1>Issues</h1>
        <input
          type="search"
          placeholder="Search issues  ( / )"
          aria-label="Search issues"
          value={search}
          onInput={({ currentTarget }) => setSearch(currentTarget.value)}
        />
      </div>
      <Loaded of={issues}>
        {(found) =>
          found.length === 0 ? (
            <Empty title="No issues">Agents and people make them over the API.</Empty>
          ) : (
            <div class="board" tabIndex={0} role="group" aria-label="Issues by status">
              {statuses.map((status) => {
                const cards = found.filter((issue) => issue.status === status && has(issue));
                return (
                  <Column
                    key={status}
                    companyId={companyId}
                    status={status}
                    cards={cards}
                    nameOf={nameOf}
                  />
                );
              })}
            </div>
          )
        }
      </Loaded>
    </>
  );
}

function Column(props: {
  companyId: string;
  status: string;
  cards: readonly Issue[];
  nameOf: (issue: Issue) => string;
}) {
  const { companyId, status, cards, nameOf } = props;
  const now = useNow();
  return (
    <section class={cards.length === 0 ? "column bare" : "column"}>
      <h2>
        <StatusBadge status={status} /> <span class="count">{cards.length}</span>
      </h2>
      {cards.slice(0, cardsMax).map((issue) => (
        <Link key={issue.id} class="issue-card" href={`/${companyId}/issues/${issue.id}`}>
          <small class="mono">{issue.identifier ?? ""}</small>
          <strong>{issue.title}</strong>
          <small>
            {nameOf(issue) || "nobody"} · {issue.priority} · {relative(issue.updatedAt, now)}
          </small>
        </Link>
      ))}
      {cards.length > cardsMax ? (
        <p class="note">{cards.length - cardsMax} more: search for them.</p>
      ) : null}
    </section>
  );
}
