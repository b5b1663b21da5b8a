/**
 * Messages that could not be decoded, decided or committed. They are looked at, put into the mailbox
 * again or dropped; a board of one company sees its own.
 */
import { rowSchema } from "@reveille/shared/postgres/row-schema";
import { deadLetters } from "@reveille/shared/postgres/schema";
import { eq } from "@reveille/shared/postgres/sql";
import { uuidSchema } from "@reveille/shared/protocol/ids";
import { mailboxKinds } from "@reveille/shared/protocol/subjects";
import type { MailboxKind } from "@reveille/shared/protocol/subjects";
import { z } from "zod";
import { mayEnter, requireCompany, requireOperator } from "../auth.js";
import type { Actor } from "../auth.js";
import type { Context } from "../context.js";
import { conflict, notFound } from "../errors.js";
import { ownRoute, page, pageOf, pageQuery, queryInteger, readCursor } from "../own-route.js";
import type { AnyRoute } from "../route.js";

const detail = rowSchema(deadLetters);
const item = detail.omit({ payloadBase64: true });
const idSchema = queryInteger(1, Number.MAX_SAFE_INTEGER);
const letterParams = z.object({ deadLetterId: idSchema });
const listQuery = z.object({
  companyId: uuidSchema.optional(),
  agentId: uuidSchema.optional(),
  stage: z.enum(["decode", "decide", "commit"]).optional(),
  ...pageQuery,
});
const ok = z.strictObject({ ok: z.literal(true) });
/** So many bytes of a payload are kept: one that is exactly as long may have been cut. */
const keptBytesMax = 48 * 1024;

export function deadLetterRoutes(context: Context): AnyRoute[] {
  const { db } = context;
  return [
    ownRoute({
      method: "GET",
      path: "/api/dead-letters",
      summary: "Dead letters without their payloads, the newest first",
      query: listQuery,
      boardOnly: true,
      responses: { 200: pageOf(item) },
      handle: ({ query, actor }) => list(context, actor, query),
    }),
    ownRoute({
      method: "GET",
      path: "/api/dead-letters/:deadLetterId",
      summary: "One dead letter with its payload, at most 48 KiB of it",
      params: letterParams,
      boardOnly: true,
      responses: { 200: detail },
      handle: ({ params, actor }) => findLetter(context, actor, params.deadLetterId),
    }),
    ownRoute({
      method: "POST",
      path: "/api/dead-letters/:deadLetterId/replay",
      summary: "Puts the message into its agent's mailbox again, as it was, and drops the letter",
      params: letterParams,
      boardOnly: true,
      responses: { 202: ok },
      handle: async ({ params, actor, status }) => {
        await replay(context, actor, params.deadLetterId);
        status(202);
        return { ok: true };
      },
    }),
    ownRoute({
      method: "DELETE",
      path: "/api/dead-letters/:deadLetterId",
      summary: "Drops a dead letter",
      params: letterParams,
      boardOnly: true,
      responses: { 200: ok },
      handle: async ({ params, actor }) => {
        const letter = await findLetter(context, actor, params.deadLetterId);
        await db.delete(deadLetters).where(eq(deadLetters.id, letter.id));
        return { ok: true };
      },
    }),
  ];
}

async function list({ db }: Context, actor: Actor, query: z.output<typeof listQuery>) {
  if (query.companyId) requireCompany(actor, query.companyId);
  const companyId = query.companyId ?? actor.companyId;
  const before = readCursor(query.cursor, z.tuple([idSchema]))?.[0];
  const rows = await db.query.deadLetters.findMany({
    columns: { payloadBase64: false },
    where: (table, { and, eq: equals, lt }) =>
      and(
        companyId === null ? undefined : equals(table.companyId, companyId),
        query.agentId ? equals(table.agentId, query.agentId) : undefined,
        query.stage ? equals(table.stage, query.stage) : undefined,
        before === undefined ? undefined : lt(table.id, before),
      ),
    orderBy: (table, { desc }) => desc(table.id),
    limit: query.limit + 1,
  });
  return page(rows, query.limit, (row) => [String(row.id)]);
}

/** One that names no company belongs to whoever runs the whole. @throws HttpError 403, 404. */
async function findLetter({ db }: Context, actor: Actor, id: number) {
  const letter = await db.query.deadLetters.findFirst({
    where: (table, operators) => operators.eq(table.id, id),
  });
  if (letter?.companyId === null) requireOperator(actor);
  if (!letter || (letter.companyId !== null && !mayEnter(actor, letter.companyId)))
    throw notFound("Dead letter");
  return letter;
}

/**
 * Publishes first and deletes in the same transaction: of two who replay at once one finds nothing, and
 * a gateway that dies in between leaves the letter, whose second replay is harmless as any repeat.
 */
async function replay(context: Context, actor: Actor, id: number): Promise<void> {
  const { db, publisher, subjects } = context;
  const letter = await findLetter(context, actor, id);
  const { companyId, agentId, payloadBase64, kind } = letter;
  if (!companyId || !agentId || !isKind(kind))
    throw conflict("It is addressed to no agent's mailbox", { kind });
  const payload = Buffer.from(payloadBase64 ?? "", "base64");
  if (payload.length >= keptBytesMax)
    throw conflict("Its payload is kept in part only: it can be dropped, not replayed");
  await db.transaction(async (tx) => {
    const gone = await tx
      .delete(deadLetters)
      .where(eq(deadLetters.id, id))
      .returning({ id: deadLetters.id });
    if (gone.length === 0) throw notFound("Dead letter");
    await publisher.publish(subjects.mailbox(companyId, agentId, kind), payload);
    context.failpoint("after-letter");
  });
}

const isKind = (kind: string): kind is MailboxKind =>
  (mailboxKinds as readonly string[]).includes(kind);
