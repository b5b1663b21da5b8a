/**
 * Identifiers: their form, and how one identifier is derived from others. Every id that reaches a
 * subject is a lower-case UUID and is checked here first, so no id can widen a subscription.
 * Knows no transport and no store.
 */
import { hash, randomUUID } from "node:crypto";
import { z } from "zod";

const uuidPattern = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/** True for a UUID in its canonical lower-case form; any version and variant. */
export const isUuid = (value: unknown): value is string =>
  typeof value === "string" && uuidPattern.test(value);

/** A UUID; upper case is accepted and folded, because people paste ids from other tools. */
export const uuidSchema = z
  .string()
  .transform((value) => value.toLowerCase())
  .refine(isUuid, { message: "must be a UUID" })
  // For descriptions of an API: the check is the line above.
  .meta({ format: "uuid" });

/** A new random UUID (version 4). Never call it from `core/`: decisions derive their ids. */
export const newId = (): string => randomUUID();

/**
 * A UUID that depends on its parts alone (name-based, version 8 over SHA-256, parts length-prefixed
 * so that no two lists of parts read the same). The same message decided twice, by whichever host,
 * names the same rows: this is what makes repeating an effect harmless.
 */
export function deriveId(...parts: readonly string[]): string {
  const text = parts.map((part) => `${Buffer.byteLength(part)}:${part}`).join("");
  const hex = hash("sha256", text, "hex");
  // The variant's two bits, by table: 8, 9, a or b.
  const variant = "89ab"[Number.parseInt(hex[16]!, 16) & 3];
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-${variant}${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}

/** The row id of a wake: the publisher's own wake id is unique per agent only, a row's id is unique. */
export const wakeRequestId = (companyId: string, agentId: string, wakeId: string): string =>
  deriveId("wake", companyId, agentId, wakeId);

/** The id of the run that a wake leads to, when it leads to one. */
export const runIdOfWake = (companyId: string, agentId: string, wakeId: string): string =>
  deriveId("run", companyId, agentId, wakeId);
