/**
 * Board tokens: the credentials of people. Made in the database, as the schema is: the first one has to come from
 * somewhere, and who has the database has everything.
 */
import type { Command } from "commander";
import { newBoardToken } from "@reveille/shared/credentials/stored-token";
import { isUuid } from "@reveille/shared/protocol/ids";
import type { Action } from "../action.js";
import type { Row } from "../api.js";
import type { Context } from "../context.js";
import { notFound, usageFailure } from "../failure.js";
import { formatTable, orDash } from "../output.js";
import { withDatabase } from "../record.js";

interface CreateOptions {
  name: string;
  days?: string;
}
/** Ten years: longer than anybody remembers what a token was for. */
const daysMax = 3_650;

export function registerAccess(program: Command, action: Action): void {
  const tokens = program
    .command("board-token")
    .description("credentials of people, in the database (DATABASE_URL)");
  tokens
    .command("create")
    .description("make a token and print it, once; with --company <id> it opens that company alone")
    .option("--name <name>", "what it is for", "operator")
    .option("--days <n>", "it expires after so many days; never without it")
    .addHelpText(
      "after",
      `
Example:
  export REVEILLE_API_KEY=$(reveille board-token create --name me --json | jq -r .token)`,
    )
    .action(action<CreateOptions>(({ context, options }) => create(context, options)));
  tokens
    .command("list")
    .description("the tokens that there are, without their values")
    .action(action(({ context }) => list(context)));
  tokens
    .command("revoke <id>")
    .description("end a token, from the next request on")
    .action(action(({ context, args }) => revoke(context, args[0]!)));
}

async function create(context: Context, options: CreateOptions): Promise<void> {
  const days = options.days === undefined ? null : Number(options.days);
  if (days !== null && !(Number.isInteger(days) && days >= 1 && days <= daysMax))
    throw usageFailure(`--days must be a whole number from 1 to ${daysMax}`);
  const name = options.name.trim();
  if (name === "" || name.length > 200) throw usageFailure("--name must have 1 to 200 characters");
  const { token, hash } = newBoardToken();
  const companyId = await companyOf(context);
  const row = await withDatabase(context, async (pool) => {
    const { rows } = await pool.query<Row>(
      `insert into board_tokens (name, company_id, token_hash, expires_at)
       values ($1, $2, $3, now() + $4 * interval '1 day')
       returning id, name, company_id as "companyId", expires_at as "expiresAt"`,
      [name, companyId, hash, days],
    );
    return rows[0]!;
  });
  context.output.document({ ...row, token });
  context.output.note(
    `board token ${orDash(row["id"])} of ${companyText(row["companyId"])}; it is shown once:`,
  );
  context.output.line(token);
}

/** By its id, name or issue prefix, as elsewhere; asked of the database, because the API may ask for a token. */
async function companyOf(context: Context): Promise<string | null> {
  const wanted = context.options.company;
  if (wanted === undefined) return null;
  const found = await withDatabase(context, async (pool) => {
    const { rows } = await pool.query<{ id: string }>(
      "select id from companies where id::text = $1 or lower(name) = $1 or lower(issue_prefix) = $1 limit 2",
      [wanted.toLowerCase()],
    );
    return rows;
  });
  if (found.length === 0) throw notFound(`no company ${JSON.stringify(wanted)}`);
  if (found.length > 1) throw usageFailure(`${JSON.stringify(wanted)} fits several companies`);
  return found[0]!.id;
}

async function list(context: Context): Promise<void> {
  const rows = await withDatabase(context, async (pool) => {
    const found = await pool.query<Row>(
      `select id, name, company_id as "companyId", created_at as "createdAt", last_used_at as "lastUsedAt",
         expires_at as "expiresAt", revoked_at as "revokedAt"
       from board_tokens order by created_at desc, id limit 1000`,
    );
    return found.rows;
  });
  // As the API has them: times as text.
  const shown = JSON.parse(JSON.stringify(rows)) as Row[];
  context.output.document(shown);
  context.output.line(
    formatTable(
      ["ID", "NAME", "OPENS", "LAST USED", "EXPIRES", "REVOKED"],
      shown.map((row) => [
        orDash(row["id"]),
        orDash(row["name"]),
        companyText(row["companyId"]),
        orDash(row["lastUsedAt"]),
        orDash(row["expiresAt"]),
        orDash(row["revokedAt"]),
      ]),
    ),
  );
}

const companyText = (companyId: unknown): string =>
  companyId === null ? "all companies" : `company ${orDash(companyId)}`;

async function revoke(context: Context, id: string): Promise<void> {
  if (!isUuid(id.toLowerCase())) throw usageFailure("the id of a board token is a UUID");
  const revoked = await withDatabase(context, async (pool) => {
    const { rowCount } = await pool.query(
      "update board_tokens set revoked_at = now() where id = $1 and revoked_at is null",
      [id],
    );
    return rowCount;
  });
  if (!revoked) throw notFound(`no board token ${id} that is not revoked`);
  context.output.document({ id, revoked: true });
  context.output.line(`board token ${id} is revoked`);
}
