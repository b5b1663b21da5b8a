// Owns one violation for each check: how it is planted into a copy of a clean system, and what the checker has to show of it. By the
// check's title, so that a check without one is noticed.
import { randomUUID } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { historyLine, type HistoryLine } from "@reveille/shared/evidence/history";
import type { WitnessLine } from "@reveille/shared/evidence/witness";
import type { VerifyOptions } from "@reveille/shared/verify/verify";
import type { Copy, SmallSystem } from "./small-system.js";

export interface Scene {
  system: SmallSystem;
  copy: Copy;
  /** Called when the test is over. */
  undo: (work: () => Promise<unknown>) => void;
}
export interface Planted {
  /** Ids or words that the shown rows must contain. */
  shows: string[];
  options?: Partial<VerifyOptions>;
}
export type Plant = (scene: Scene) => Promise<Planted>;

/** Statements in order; the last one's first column is what has to be shown. */
export const rows =
  (...statements: string[]): Plant =>
  async ({ copy }) => {
    let found: Record<string, unknown>[] = [];
    for (const statement of statements) found = await copy.sql(statement);
    if (found.length === 0) throw new Error(`nothing was planted by ${statements.at(-1)}`);
    return { shows: [String(Object.values(found[0]!)[0])] };
  };

/** A copy of one row with some columns changed; gives its id. */
export const another = (table: string, where: string, changes: string): string =>
  `insert into ${table} select (jsonb_populate_record(t, jsonb_build_object('id', gen_random_uuid(), ${changes}))).*
   from ${table} t where t.ctid = (select ctid from ${table} where ${where} limit 1) returning id`;

/** Some columns of one row; gives its id. */
export const change = (table: string, where: string, changes: string, key = "id"): string =>
  `update ${table} set ${changes} where ctid = (select ctid from ${table} where ${where} limit 1) returning ${key}`;

/** An ended run as it would stand in the middle of its life. */
export const revived = (phase: string): string =>
  `status = 'running', phase = '${phase}', live = true, active = true, finished_at = null, dispatched_at = now(), claim_id = gen_random_uuid()`;

interface RunFacts {
  companyId: string;
  runId: string;
  agentId: string;
  issueId: string | null;
  attempt: number;
}

/** A run that a witness may speak of. */
export async function runWhere({ copy }: Scene, where: string): Promise<RunFacts> {
  const [run] = await copy.sql<RunFacts>(
    `select company_id as "companyId", id as "runId", agent_id as "agentId", issue_id as "issueId", attempt from heartbeat_runs where ${where} limit 1`,
  );
  if (!run) throw new Error(`no run where ${where}`);
  return run;
}

/** Lines of a witness of its own. */
export function witnessed(scene: Scene, lines: Partial<WitnessLine>[], run: RunFacts): Planted {
  const file = join(scene.system.folder, `witness-${randomUUID()}.ndjson`);
  const text = lines.map((line) =>
    JSON.stringify({ what: "start", pid: 1, bootMs: 1_000, ...run, ...line }),
  );
  writeFileSync(file, `${text.join("\n")}\n`);
  return { shows: [run.runId], options: { witness: [file] } };
}

/** Lines of a history of its own. */
export function told(scene: Scene, lines: HistoryLine[], shows: string[]): Planted {
  const file = join(scene.system.folder, `history-${randomUUID()}.ndjson`);
  writeFileSync(file, lines.map(historyLine).join(""));
  return { shows, options: { history: [file] } };
}
