/** Dead letters: listed and shown from the database, which is there when nothing else is; replayed and dropped through the API. */
import type { Command } from "commander";
import type { Action } from "../action.js";
import type { Context } from "../context.js";
import { notFound, usageFailure } from "../failure.js";
import { formatTable, orDash } from "../output.js";
import { readDeadLetter, readDeadLetters, withDatabase } from "../record.js";
import { shortId } from "../run-view.js";

export function registerDeadLetters(program: Command, action: Action): void {
  const letters = program
    .command("dead-letters [id]")
    .description(
      "messages that could not be decoded, decided or committed; with an id: its payload",
    )
    .option("--limit <n>", "at most so many", "20")
    .action(
      action<{ limit: string }>(({ context, options, args }) =>
        args[0] === undefined
          ? listDeadLetters(context, options.limit)
          : showDeadLetter(context, args[0]),
      ),
    );
  letters
    .command("replay <id>")
    .description("put the message into its agent's mailbox again, and drop the letter")
    .action(
      action(async ({ context, args }) => {
        const id = checkedId(args[0]!);
        context.output.document(await context.api.post(`/dead-letters/${id}/replay`));
        context.output.line(`dead letter ${id} is in its mailbox again`);
      }),
    );
  letters
    .command("drop <id>")
    .description("forget the message")
    .action(
      action(async ({ context, args }) => {
        const id = checkedId(args[0]!);
        context.output.document(await context.api.remove(`/dead-letters/${id}`));
        context.output.line(`dead letter ${id} is dropped`);
      }),
    );
}

function checkedId(text: string): string {
  if (!/^\d{1,15}$/.test(text)) throw usageFailure("the id of a dead letter is a number");
  return text;
}

async function listDeadLetters(context: Context, limitText: string): Promise<void> {
  const limit = Number(limitText);
  if (!Number.isInteger(limit) || limit < 1 || limit > 1_000)
    throw usageFailure("--limit must be a whole number from 1 to 1000");
  const letters = await withDatabase(context, (pool) => readDeadLetters(pool, limit));
  context.output.document(letters);
  context.output.line(
    formatTable(
      ["ID", "TIME", "STAGE", "KIND", "AGENT", "REASON"],
      letters.map((row) => [
        orDash(row["id"]),
        orDash(row["createdAt"]),
        orDash(row["stage"]),
        orDash(row["kind"]),
        shortId(row["agentId"]),
        orDash(row["reason"]),
      ]),
    ),
  );
}

async function showDeadLetter(context: Context, id: string): Promise<void> {
  const letter = await withDatabase(context, (pool) => readDeadLetter(pool, Number(checkedId(id))));
  if (!letter) throw notFound(`no dead letter ${id}`);
  context.output.document(letter);
  for (const [key, value] of Object.entries(letter)) {
    if (key !== "payloadBase64") context.output.line(`${key}: ${orDash(value)}`);
  }
  const payload = letter["payloadBase64"];
  // As JSON text: a payload is hostile until shown otherwise, and must not drive the terminal.
  if (typeof payload === "string")
    context.output.line(`payload: ${JSON.stringify(Buffer.from(payload, "base64").toString())}`);
}
