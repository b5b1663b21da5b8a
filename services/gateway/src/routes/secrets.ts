/**
 * Secrets of a company: names, versions, references. Values come in and are encrypted at once; no
 * route gives one back and no log or activity repeats one.
 */
import { createHash } from "node:crypto";
import { encryptSecret } from "@reveille/shared/credentials/secret-box";
import { sqlFailure } from "@reveille/shared/postgres/pool";
import type { Database } from "@reveille/shared/postgres/pool";
import { rowSchema } from "@reveille/shared/postgres/row-schema";
import { companySecrets, companySecretVersions } from "@reveille/shared/postgres/schema";
import { eq, sql } from "@reveille/shared/postgres/sql";
import type { Queryable } from "@reveille/shared/postgres/sql";
import { newId, uuidSchema } from "@reveille/shared/protocol/ids";
import { z } from "zod";
import { recordActivity } from "../activity.js";
import { requireCompany } from "../auth.js";
import type { Actor } from "../auth.js";
import type { Context } from "../context.js";
import { conflict, HttpError, notFound, unprocessable } from "../errors.js";
import { companyParams, findCompany } from "../lookup.js";
import { redactedText } from "../redaction.js";
import type { AnyRoute } from "../route.js";
import { route } from "../route.js";

/** The one way that values are kept; others are known by name to Paperclip's clients and refused. */
const provider = "local_encrypted";
/** 64 KiB: certificates and key files fit; an environment with more does not start. */
const valueSchema = z
  .string()
  .min(1)
  .max(65_536)
  .refine((value) => value !== redactedText, "is the placeholder of a hidden value");
const nameSchema = z.string().min(1).max(200);
const description = z.string().max(10_000).nullish();
const externalRef = z.string().max(2_048).nullish();

const createSchema = z.object({
  name: nameSchema,
  provider: z.string().max(64).optional(),
  value: valueSchema,
  description,
  externalRef,
});
const secretParams = z.object({ secretId: uuidSchema });
const secretSchema = rowSchema(companySecrets);
type SecretRow = typeof companySecrets.$inferSelect;
/** Secrets in one answer. */
const listMax = 1_000;

export function secretRoutes(context: Context): AnyRoute[] {
  return [...reads(context), create(context), rotate(context), patch(context), remove(context)];
}

const reads = ({ db }: Context): AnyRoute[] => [
  route({
    method: "GET",
    path: "/api/companies/:companyId/secret-providers",
    summary: "Where secrets can be kept",
    params: companyParams,
    responses: {
      200: z.array(
        z.strictObject({ id: z.string(), label: z.string(), requiresExternalRef: z.boolean() }),
      ),
    },
    boardOnly: true,
    handle: async ({ params, actor }) => {
      await findCompany(db, actor, params.companyId);
      return [{ id: provider, label: "Encrypted in the database", requiresExternalRef: false }];
    },
  }),
  route({
    method: "GET",
    path: "/api/companies/:companyId/secrets",
    summary: "Secrets of a company without their values, the newest first, 1,000 at most",
    params: companyParams,
    responses: { 200: z.array(secretSchema) },
    boardOnly: true,
    handle: async ({ params, actor }) => {
      await findCompany(db, actor, params.companyId);
      return db.query.companySecrets.findMany({
        where: (table, operators) => operators.eq(table.companyId, params.companyId),
        orderBy: (table, { asc, desc }) => [desc(table.createdAt), asc(table.id)],
        limit: listMax,
      });
    },
  }),
];

const create = (context: Context): AnyRoute =>
  route({
    method: "POST",
    path: "/api/companies/:companyId/secrets",
    summary: "A new secret; its value is encrypted and never shown again",
    params: companyParams,
    body: createSchema,
    responses: { 201: secretSchema },
    boardOnly: true,
    handle: async ({ params: { companyId }, body, actor, status }) => {
      await findCompany(context.db, actor, companyId);
      if (body.provider !== undefined && body.provider !== provider)
        throw unprocessable(`Unsupported secret provider: ${body.provider}`);
      const { value, ...described } = body;
      const id = newId();
      const place = { companyId, secretId: id, version: 1 };
      const secret = await named(body.name, () =>
        context.db.transaction(async (tx) => {
          const [row] = await tx
            .insert(companySecrets)
            .values({ ...described, id, companyId, provider, createdByUserId: actor.id })
            .returning();
          await insertVersion(tx, context.secrets.masterKey, place, value, actor);
          return row;
        }),
      );
      if (!secret) throw new Error("the insert returned no row");
      await tell(context, secret, "secret.created", { name: secret.name, provider }, actor);
      status(201);
      return secret;
    },
  });

const rotate = (context: Context): AnyRoute =>
  route({
    method: "POST",
    path: "/api/secrets/:secretId/rotate",
    summary: "A new value; references to the latest version mean it from now on",
    params: secretParams,
    body: z.object({ value: valueSchema, externalRef }),
    responses: { 200: secretSchema },
    boardOnly: true,
    handle: async ({ params, body, actor }) => {
      const { id, companyId } = await findSecret(context.db, actor, params.secretId);
      const secret = await context.db.transaction(async (tx) => {
        // Raised first: two at once wait for each other here, and get different numbers.
        const [row] = await tx
          .update(companySecrets)
          .set({
            latestVersion: sql`${companySecrets.latestVersion} + 1`,
            ...(body.externalRef === undefined ? {} : { externalRef: body.externalRef }),
            updatedAt: new Date(),
          })
          .where(eq(companySecrets.id, id))
          .returning();
        if (!row) throw notFound("Secret");
        const place = { companyId, secretId: id, version: row.latestVersion };
        await insertVersion(tx, context.secrets.masterKey, place, body.value, actor);
        return row;
      });
      await tell(context, secret, "secret.rotated", { version: secret.latestVersion }, actor);
      return secret;
    },
  });

const patch = (context: Context): AnyRoute =>
  route({
    method: "PATCH",
    path: "/api/secrets/:secretId",
    summary: "Renames or describes a secret; its value is changed by rotating",
    params: secretParams,
    body: z.object({ name: nameSchema.optional(), description, externalRef }),
    responses: { 200: secretSchema },
    boardOnly: true,
    handle: async ({ params, body, actor }) => {
      const before = await findSecret(context.db, actor, params.secretId);
      const changes = Object.fromEntries(
        Object.entries(body).filter(([, value]) => value !== undefined),
      );
      const rows = await named(body.name ?? before.name, () =>
        context.db
          .update(companySecrets)
          .set({ ...changes, updatedAt: new Date() })
          .where(eq(companySecrets.id, before.id))
          .returning(),
      );
      const [secret] = rows;
      if (!secret) throw notFound("Secret");
      await tell(context, secret, "secret.updated", { name: secret.name }, actor);
      return secret;
    },
  });

const remove = (context: Context): AnyRoute =>
  route({
    method: "DELETE",
    path: "/api/secrets/:secretId",
    summary: "Deletes a secret with all its versions; runs that refer to it fail from then on",
    params: secretParams,
    responses: { 200: z.strictObject({ ok: z.literal(true) }) },
    boardOnly: true,
    handle: async ({ params, actor }) => {
      const secret = await findSecret(context.db, actor, params.secretId);
      await context.db.delete(companySecrets).where(eq(companySecrets.id, secret.id));
      await tell(context, secret, "secret.deleted", { name: secret.name }, actor);
      return { ok: true };
    },
  });

/** @throws HttpError 404. */
async function findSecret(db: Database, actor: Actor, id: string): Promise<SecretRow> {
  const secret = await db.query.companySecrets.findFirst({
    where: (table, operators) => operators.eq(table.id, id),
  });
  if (!secret) throw notFound("Secret");
  requireCompany(actor, secret.companyId, "Secret");
  return secret;
}

/** @throws HttpError 409 when the company has a secret of that name. */
async function named<T>(name: string, write: () => Promise<T>): Promise<T> {
  try {
    return await write();
  } catch (error) {
    const failure = sqlFailure(error);
    if (failure.kind === "unique" && failure.constraint === "company_secrets_name")
      throw conflict(`Secret already exists: ${name}`);
    throw error;
  }
}

/** @throws HttpError 501 without a master key. */
async function insertVersion(
  on: Queryable,
  masterKey: Buffer | null,
  place: { companyId: string; secretId: string; version: number },
  value: string,
  actor: Actor,
): Promise<void> {
  if (!masterKey)
    throw new HttpError(
      501,
      "This gateway has no master key: set REVEILLE_SECRETS_MASTER_KEY or REVEILLE_SECRETS_MASTER_KEY_FILE",
    );
  await on.insert(companySecretVersions).values({
    secretId: place.secretId,
    version: place.version,
    material: encryptSecret(masterKey, place, value),
    valueSha256: createHash("sha256").update(value).digest("hex"),
    createdByUserId: actor.id,
  });
}

const tell = (
  context: Context,
  secret: { id: string; companyId: string },
  action: string,
  details: Record<string, unknown>,
  actor: Actor,
): Promise<void> =>
  recordActivity(context, {
    companyId: secret.companyId,
    actor,
    action,
    entityType: "secret",
    entityId: secret.id,
    details,
  });
