/**
 * The token of a run: a JWT (HS256) that says which attempt of which run of which agent its bearer is.
 * It says no more: whether that attempt is running is asked of Postgres at each use, so a token dies
 * with its run. Made by actor hosts with the go, checked by gateways.
 */
import { createHmac, timingSafeEqual } from "node:crypto";
import { z } from "zod";
import { uuidSchema } from "../protocol/ids.js";

/** 48 hours, as the reference: the longest a run may call back. */
export const runTokenTtlSec = 172_800;
const issuer = "reveille";
const audience = "reveille-api";
/** Far beyond what we make; longer ones are not worth a hash. */
const charsMax = 2_048;

const claimsSchema = z.object({
  sub: uuidSchema,
  company_id: uuidSchema,
  adapter_type: z.string(),
  run_id: uuidSchema,
  attempt: z.number().int().min(1),
  claim_id: uuidSchema,
  iat: z.number().int(),
  exp: z.number().int(),
  iss: z.literal(issuer),
  aud: z.literal(audience),
});

export interface RunIdentity {
  agentId: string;
  companyId: string;
  adapterType: string;
  runId: string;
  attempt: number;
  claimId: string;
}

const encoded = (value: unknown): string =>
  Buffer.from(JSON.stringify(value)).toString("base64url");
const head = encoded({ alg: "HS256", typ: "JWT" });
const signatureOf = (secret: string, text: string): string =>
  createHmac("sha256", secret).update(text).digest("base64url");

/** @param nowMs moment of issue, milliseconds since 1970. */
export function signRunToken(secret: string, run: RunIdentity, nowMs: number): string {
  const iat = Math.floor(nowMs / 1_000);
  const body = encoded({
    sub: run.agentId,
    company_id: run.companyId,
    adapter_type: run.adapterType,
    run_id: run.runId,
    attempt: run.attempt,
    claim_id: run.claimId,
    iat,
    exp: iat + runTokenTtlSec,
    iss: issuer,
    aud: audience,
  });
  const text = `${head}.${body}`;
  return `${text}.${signatureOf(secret, text)}`;
}

/** Has it the form of a run's token? Other credentials do not. */
export const looksLikeRunToken = (token: string): boolean => /^[\w-]+\.[\w-]+\.[\w-]+$/.test(token);

/** Whom the token speaks for; null when it is not ours, was changed, or is over. Says nothing of the run. */
export function verifyRunToken(secret: string, token: string, nowMs: number): RunIdentity | null {
  if (token.length > charsMax) return null;
  const [header, body, signature, ...rest] = token.split(".");
  // Only our own header: an algorithm is never taken from a token.
  if (header !== head || !body || !signature || rest.length > 0) return null;
  const right = Buffer.from(signatureOf(secret, `${header}.${body}`));
  const shown = Buffer.from(signature);
  if (right.length !== shown.length || !timingSafeEqual(right, shown)) return null;
  const read = claimsSchema.safeParse(parse(Buffer.from(body, "base64url").toString()));
  if (!read.success || read.data.exp * 1_000 <= nowMs) return null;
  const { sub, company_id, adapter_type, run_id, attempt, claim_id } = read.data;
  return {
    agentId: sub,
    companyId: company_id,
    adapterType: adapter_type,
    runId: run_id,
    attempt,
    claimId: claim_id,
  };
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
