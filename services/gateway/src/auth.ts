/**
 * Who calls. A credential is a board token, an agent's key or a run's token; a bad one is refused in
 * every mode, it is never better than none. Without one the caller is the board where nobody logs in,
 * and nobody anywhere else. What a caller may see is decided by company, here and nowhere else.
 */
import { timingSafeEqual } from "node:crypto";
import { boardTokenPrefix, hashToken } from "@reveille/shared/credentials/stored-token";
import { looksLikeRunToken, verifyRunToken } from "@reveille/shared/credentials/run-token";
import type { RunIdentity } from "@reveille/shared/credentials/run-token";
import type { Pool } from "@reveille/shared/postgres/pool";
import { createBadCredentials } from "./bad-credentials.js";
import type { DeploymentMode } from "./config.js";
import { forbidden, HttpError, notFound, unauthorized } from "./errors.js";

/** A person, or something that works for one. `companyId` null: of all companies. */
interface Board {
  type: "board";
  id: string;
  companyId: string | null;
}
/** An agent, by its key, or (with `run`) by the token of a run that is running now. */
interface Agent {
  type: "agent";
  id: string;
  companyId: string;
  run: { id: string; attempt: number } | null;
}
export type Actor = Board | Agent;

/** The only person there is without logins. */
const localBoard: Actor = { type: "board", id: "local-board", companyId: null };

/** Of keys and board tokens: ours have 52 characters, other systems' keys of our agents may be longer. */
const tokenCharsMax = 512;

export interface Credential {
  authorization?: string | undefined;
  /** From a query, where a WebSocket client in a browser has to put it. */
  token?: string | undefined;
  /** Where it comes from. */
  address: string;
}
/** @throws HttpError 401 for a credential that nobody knows, or for none where one is needed; 429 for too many. */
export type Authenticate = (credential: Credential) => Promise<Actor>;

export interface AuthenticateOptions {
  pool: Pool;
  mode: DeploymentMode;
  /** Signs run tokens; null: there are none. */
  tokenSecret: string | null;
}

export function createAuthenticate({ pool, mode, tokenSecret }: AuthenticateOptions): Authenticate {
  const bad = createBadCredentials();
  return async ({ authorization, token, address }) => {
    if (authorization === undefined && token === undefined) {
      if (mode === "local_trusted") return localBoard;
      throw unauthorized();
    }
    const shown = authorization === undefined ? token : bearerOf(authorization);
    if (!shown) throw unauthorized();
    if (looksLikeRunToken(shown)) {
      // Its signature is checked first: guessing costs nothing here, and no run waits for its neighbour's mistakes.
      const run = tokenSecret === null ? null : verifyRunToken(tokenSecret, shown, Date.now());
      return found(run && (await ofRunToken(pool, run)));
    }
    bad.admit(address, shown);
    const actor = await ofStoredToken(pool, shown);
    bad.note(address, shown, actor !== null);
    return found(actor);
  };
}

function found(actor: Actor | null): Actor {
  if (!actor) throw unauthorized();
  return actor;
}

/** Is this still a credential? Only a clear no ends what it opened: a database that is away says nothing. */
export async function isAllowed(
  authenticate: Authenticate,
  credential: Credential,
): Promise<boolean> {
  try {
    await authenticate(credential);
    return true;
  } catch (error) {
    return !(error instanceof HttpError && error.status === 401);
  }
}

const bearerOf = (authorization: string): string | undefined =>
  /^Bearer\s+(\S+)$/i.exec(authorization)?.[1];

/** Board tokens and agent keys. */
async function ofStoredToken(pool: Pool, token: string): Promise<Actor | null> {
  if (token.length > tokenCharsMax) return null;
  return token.startsWith(boardTokenPrefix)
    ? ofBoardToken(pool, hashToken(token))
    : ofAgentKey(pool, hashToken(token));
}

/** `last_used_at` is for people: a minute is exact enough, and spares a write for each request. */
const usedRecently = "last_used_at > now() - interval '1 minute'";

async function ofBoardToken(pool: Pool, hash: string): Promise<Actor | null> {
  const found = await pool.query<{
    id: string;
    company_id: string | null;
    token_hash: string;
    fresh: boolean | null;
  }>(
    `select id, company_id, token_hash, ${usedRecently} as fresh from board_tokens
     where token_hash = $1 and revoked_at is null and (expires_at is null or expires_at > now())`,
    [hash],
  );
  const row = found.rows[0];
  if (!row || !equal(row.token_hash, hash)) return null;
  if (!row.fresh)
    await pool.query("update board_tokens set last_used_at = now() where id = $1", [row.id]);
  return { type: "board", id: row.id, companyId: row.company_id };
}

async function ofAgentKey(pool: Pool, hash: string): Promise<Actor | null> {
  const found = await pool.query<{
    id: string;
    agent_id: string;
    company_id: string;
    key_hash: string;
    fresh: boolean | null;
  }>(
    `select k.id, k.agent_id, k.company_id, k.key_hash, k.${usedRecently} as fresh
     from agent_api_keys k join agents a on a.id = k.agent_id and ${mayCall}
     where k.key_hash = $1 and k.revoked_at is null`,
    [hash],
  );
  const row = found.rows[0];
  if (!row || !equal(row.key_hash, hash)) return null;
  if (!row.fresh)
    await pool.query("update agent_api_keys set last_used_at = now() where id = $1", [row.id]);
  return { type: "agent", id: row.agent_id, companyId: row.company_id, run: null };
}

/** Of an agent `a`: one that is paused may still read; one that is no member (yet, any more) may not. */
const mayCall = "a.status not in ('terminated', 'pending_approval') and a.deleted_at is null";

/** Valid while that attempt of that run is running: until its process tree is dead, also when a cancel was asked. */
async function ofRunToken(pool: Pool, run: RunIdentity): Promise<Actor | null> {
  const { rowCount } = await pool.query(
    `select 1 from heartbeat_runs r join agents a on a.id = r.agent_id and ${mayCall}
     where r.id = $1 and r.company_id = $2 and r.agent_id = $3 and r.status = 'running'
       and r.attempt = $4 and r.claim_id = $5`,
    [run.runId, run.companyId, run.agentId, run.attempt, run.claimId],
  );
  if (rowCount === 0) return null;
  return {
    type: "agent",
    id: run.agentId,
    companyId: run.companyId,
    run: { id: run.runId, attempt: run.attempt },
  };
}

/** The index has found it; how far two hashes agree is told by no time all the same. */
const equal = (stored: string, shown: string): boolean =>
  stored.length === shown.length && timingSafeEqual(Buffer.from(stored), Buffer.from(shown));

/** @throws HttpError 403. */
export function requireBoard(actor: Actor): void {
  if (actor.type !== "board") throw forbidden("Board access required");
}

/** @throws HttpError 403 for agents, and for a board of one company. */
export function requireOperator(actor: Actor): void {
  requireBoard(actor);
  if (actor.companyId !== null) throw forbidden("Board access to all companies required");
}

/** An object of another company is not there, for who does not belong to it. @throws HttpError 404. */
export function requireCompany(actor: Actor, companyId: string, what = "Company"): void {
  if (!mayEnter(actor, companyId)) throw notFound(what);
}

export const mayEnter = (actor: Actor, companyId: string): boolean =>
  actor.companyId === null || actor.companyId === companyId;

/** Names an actor in rows that say who asked. */
export const requester = (
  actor: Actor,
): { actorType: "user" | "agent"; actorId: string; agentId: string | null } =>
  actor.type === "board"
    ? { actorType: "user", actorId: actor.id, agentId: null }
    : { actorType: "agent", actorId: actor.id, agentId: actor.id };
