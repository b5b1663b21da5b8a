/** Credentials of people. The token is shown once; kept is its hash. */
import { newBoardToken } from "@reveille/shared/credentials/stored-token";
import { rowSchema } from "@reveille/shared/postgres/row-schema";
import { boardTokens } from "@reveille/shared/postgres/schema";
import { and, eq, isNull, sql } from "@reveille/shared/postgres/sql";
import { uuidSchema } from "@reveille/shared/protocol/ids";
import { z } from "zod";
import { mayEnter, requireOperator } from "../auth.js";
import type { Actor } from "../auth.js";
import type { Context } from "../context.js";
import { badField, notFound } from "../errors.js";
import { findCompany } from "../lookup.js";
import { ownRoute } from "../own-route.js";
import type { AnyRoute } from "../route.js";

const createSchema = z.object({
  name: z.string().trim().min(1).max(200),
  companyId: uuidSchema
    .nullish()
    .describe("The company whose board its bearer is; without one: of all companies"),
  expiresAt: z.iso.datetime({ offset: true }).nullish().describe("Without one it never expires"),
});
const shown = rowSchema(boardTokens).omit({ tokenHash: true });
const listMax = 1_000;

export function boardTokenRoutes({ db }: Context): AnyRoute[] {
  return [
    ownRoute({
      method: "GET",
      path: "/api/board-tokens",
      summary: "Board tokens that the caller's board may revoke, the newest first, 1,000 at most",
      boardOnly: true,
      responses: { 200: z.array(shown) },
      handle: async ({ actor }) =>
        db.query.boardTokens.findMany({
          columns: { tokenHash: false },
          where: (table, operators) =>
            actor.companyId === null ? undefined : operators.eq(table.companyId, actor.companyId),
          orderBy: (table, { desc }) => [desc(table.createdAt), desc(table.id)],
          limit: listMax,
        }),
    }),
    ownRoute({
      method: "POST",
      path: "/api/board-tokens",
      summary: "A new board token; it is in this answer and nowhere else",
      body: createSchema,
      boardOnly: true,
      responses: { 201: shown.extend({ token: z.string() }) },
      handle: async ({ body, actor, status }) => {
        if (body.companyId) await findCompany(db, actor, body.companyId);
        else requireOperator(actor);
        const expiresAt = body.expiresAt ? new Date(body.expiresAt) : null;
        if (expiresAt && expiresAt.getTime() <= Date.now())
          throw badField(["expiresAt"], "must be in the future");
        const { token, hash } = newBoardToken();
        const [row] = await db
          .insert(boardTokens)
          .values({
            name: body.name,
            companyId: body.companyId ?? null,
            expiresAt,
            tokenHash: hash,
          })
          .returning();
        if (!row) throw new Error("the insert returned no row");
        const { tokenHash: _, ...rest } = row;
        status(201);
        return { ...rest, token };
      },
    }),
    ownRoute({
      method: "DELETE",
      path: "/api/board-tokens/:tokenId",
      summary: "Revokes a board token, from the next request on",
      params: z.object({ tokenId: uuidSchema }),
      boardOnly: true,
      responses: { 200: z.strictObject({ ok: z.literal(true) }) },
      handle: async ({ params, actor }) => {
        await requireToken(db, actor, params.tokenId);
        const revoked = await db
          .update(boardTokens)
          .set({ revokedAt: sql`now()` })
          .where(and(eq(boardTokens.id, params.tokenId), isNull(boardTokens.revokedAt)))
          .returning({ id: boardTokens.id });
        if (revoked.length === 0) throw notFound("Board token");
        return { ok: true };
      },
    }),
  ];
}

/** A token of all companies is out of reach for the board of one. @throws HttpError 404. */
async function requireToken(db: Context["db"], actor: Actor, id: string): Promise<void> {
  const token = await db.query.boardTokens.findFirst({
    columns: { companyId: true },
    where: (table, operators) => operators.eq(table.id, id),
  });
  const reachable =
    token &&
    (token.companyId === null ? actor.companyId === null : mayEnter(actor, token.companyId));
  if (!reachable) throw notFound("Board token");
}
