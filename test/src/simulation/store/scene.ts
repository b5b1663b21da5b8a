// Owns what other services write into the store: rows of companies, agents, issues and the like, with the fewest words. Knows nothing of why.
import { partitionOf } from "@reveille/shared/protocol/partition";
import type { Tables } from "./tables.js";
import type { Transaction } from "./transaction.js";

type Row<Name extends keyof Tables> = ReturnType<Tables[Name]["insert"]>;
/** Columns by their names; those that are absent get their defaults. */
type Given<Name extends keyof Tables, Needed extends keyof Row<Name>> = Partial<Row<Name>> &
  Pick<Row<Name>, Needed>;

export interface Scene {
  readonly insertCompany: (row: Given<"companies", "id">) => Row<"companies">;
  readonly insertAgent: (row: Given<"agents", "id" | "company_id">) => Row<"agents">;
  readonly insertProject: (row: Given<"projects", "id" | "company_id">) => Row<"projects">;
  readonly insertWorkspace: (
    row: Given<"project_workspaces", "company_id" | "project_id">,
  ) => Row<"project_workspaces">;
  readonly insertIssue: (row: Given<"issues", "id" | "company_id">) => Row<"issues">;
  readonly insertComment: (
    row: Given<"issue_comments", "company_id" | "issue_id" | "body">,
  ) => Row<"issue_comments">;
  readonly insertOwedWake: (
    row: Given<"owed_wakes", "company_id" | "agent_id" | "wake_id" | "request">,
  ) => Row<"owed_wakes">;
  /** Changes to one row that are made as a gateway makes them: all or nothing, references judged. */
  readonly write: <T>(work: (tables: Tables) => T) => T;
}

export function createScene(tables: Tables, transaction: Transaction): Scene {
  const insert =
    <Name extends keyof Tables>(name: Name, usual: (row: Partial<Row<Name>>) => object) =>
    (row: Partial<Row<Name>>): Row<Name> =>
      transaction.run(
        () =>
          tables[name].insert({ ...usual(row), ...row } as Parameters<
            Tables[Name]["insert"]
          >[0] as never) as Row<Name>,
      );
  const count = (): number => tables.mailbox_state.get(1)!.partition_count;
  return {
    // The prefix must be the company's own; the last digits of its id are.
    insertCompany: insert("companies", ({ id }) => ({ name: "Company", issue_prefix: id! })),
    insertAgent: insert("agents", ({ id }) => ({
      name: `Agent ${id!.slice(-4)}`,
      partition: partitionOf(id!, count()),
    })),
    insertProject: insert("projects", () => ({ name: "Project" })),
    insertWorkspace: insert("project_workspaces", () => ({ name: "Workspace" })),
    insertIssue: insert("issues", () => ({ title: "Issue" })),
    insertComment: insert("issue_comments", () => ({})),
    insertOwedWake: insert("owed_wakes", () => ({})),
    write: (work) => transaction.run(() => work(tables)),
  };
}
