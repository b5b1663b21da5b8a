/**
 * From what people type to the thing they mean: a full id, the beginning of one, or a name. Refuses
 * what fits more than one thing and shows the candidates. Reads the API only.
 */
import { isUuid } from "@reveille/shared/protocol/ids";
import type { Api, Row } from "./api.js";
import { CliFailure, notFound, usageFailure } from "./failure.js";

/** Runs that a prefix is looked for in, newest first; older ones have to be named by their full id. */
const searchedRuns = 1_000;
/** Candidates shown when a name fits several. */
const shownCandidates = 5;

const textOf = (row: Row, key: string): string => {
  const value = row[key];
  return typeof value === "string" ? value : "";
};

/** All companies, or the one that `--company` names. */
export async function companiesFor(api: Api, wanted: string | undefined): Promise<Row[]> {
  const companies = await api.list("/companies");
  return wanted === undefined
    ? companies
    : [pick("company", wanted, companies, ["name", "issuePrefix"])];
}

/** The one company that is meant; without `--company` there has to be exactly one. */
export async function resolveCompany(api: Api, wanted: string | undefined): Promise<Row> {
  const found = await companiesFor(api, wanted);
  if (found.length === 1) return found[0]!;
  if (found.length === 0)
    throw notFound("there is no company yet", "POST /api/companies makes one.");
  throw usageFailure(
    `there are ${found.length} companies: say which one with --company`,
    candidates(found, "name"),
  );
}

/** An agent by id, prefix of an id, or name (upper and lower case alike). */
export async function resolveAgent(
  api: Api,
  wanted: string,
  company: string | undefined,
): Promise<Row> {
  if (isUuid(wanted.toLowerCase()) && company === undefined)
    return (await api.get(`/agents/${wanted.toLowerCase()}`)) as Row;
  return pick("agent", wanted, await agentsOf(api, company), ["name"]);
}

/** The agents of the companies in question. */
export async function agentsOf(api: Api, company: string | undefined): Promise<Row[]> {
  const companies = await companiesFor(api, company);
  const lists = await Promise.all(
    companies.map((row) => api.list(`/companies/${textOf(row, "id")}/agents`)),
  );
  return lists.flat();
}

/** A run by id or prefix of an id, as its row. */
export async function resolveRun(
  api: Api,
  wanted: string,
  company: string | undefined,
): Promise<Row> {
  const id = wanted.toLowerCase();
  if (isUuid(id)) {
    const direct = await readRun(api, id);
    if (direct) return direct;
  }
  const companies = await companiesFor(api, company);
  const lists = await Promise.all(
    companies.map((row) =>
      api.list(`/companies/${textOf(row, "id")}/heartbeat-runs?limit=${searchedRuns}`),
    ),
  );
  return pick("run", id, lists.flat(), []);
}

/** One run's row as it is now; undefined when there is none. */
export async function readRun(api: Api, runId: string): Promise<Row | undefined> {
  try {
    return (await api.get(`/heartbeat-runs/${runId}`)) as Row;
  } catch (error) {
    if (error instanceof CliFailure && error.exitCode === 4) return undefined;
    throw error;
  }
}

/** An issue by id, prefix of an id, or identifier such as ABC-7. */
export async function resolveIssue(
  api: Api,
  wanted: string,
  company: string | undefined,
): Promise<Row> {
  const companies = await companiesFor(api, company);
  const lists = await Promise.all(
    companies.map((row) => api.list(`/companies/${textOf(row, "id")}/issues`)),
  );
  return pick("issue", wanted, lists.flat(), ["identifier"]);
}

/** Full id, else one of the names (without regard to case), else a unique prefix of an id of 4 or more characters. */
export function pick(
  kind: string,
  wanted: string,
  rows: readonly Row[],
  names: readonly string[],
): Row {
  const folded = wanted.toLowerCase();
  const exact = rows.filter((row) => textOf(row, "id") === folded);
  if (exact[0]) return exact[0];
  const named = rows.filter((row) =>
    names.some((key) => textOf(row, key).toLowerCase() === folded),
  );
  const found =
    named.length > 0 || folded.length < 4
      ? named
      : rows.filter((row) => textOf(row, "id").startsWith(folded));
  if (found.length === 1) return found[0]!;
  if (found.length > 1)
    throw usageFailure(
      `${JSON.stringify(wanted)} fits ${found.length} ${kind}s`,
      candidates(found, names[0] ?? "status"),
    );
  const known = rows.length > 0 && names[0] ? `Known: ${candidates(rows, names[0])}` : undefined;
  throw notFound(`no ${kind} ${JSON.stringify(wanted)}`, known);
}

function candidates(rows: readonly Row[], key: string): string {
  const shown = rows
    .slice(0, shownCandidates)
    .map((row) => `${textOf(row, key)} (${textOf(row, "id")})`);
  return shown.join(", ") + (rows.length > shownCandidates ? ", ..." : "");
}
