/**
 * Who calls. Without logins everybody on this machine is the board; who shows a credential is who
 * the credential says, and a bad one is refused: it is never better than none.
 */
import { createHash } from "node:crypto";
import type { Pool } from "@reveille/shared/postgres/pool";
import { forbidden, HttpError, notFound } from "./errors.js";

export type Actor =
  { type: "board"; id: string } | { type: "agent"; id: string; companyId: string };

/** The only person there is without logins. */
const localBoard: Actor = { type: "board", id: "local-board" };

/** What an agent key is stored as. */
export const hashKey = (token: string): string => createHash("sha256").update(token).digest("hex");

export type Authenticate = (credential: {
  authorization?: string | undefined;
  token?: string | undefined;
}) => Promise<Actor>;

/** @returns a function that throws 401 for a credential that nobody knows. */
export function createAuthenticate(pool: Pool): Authenticate {
  return async ({ authorization, token }) => {
    if (authorization === undefined && token === undefined) return localBoard;
    const shown = authorization === undefined ? token! : bearerOf(authorization);
    // 512 characters: far beyond any of our tokens; longer ones are not worth a hash.
    if (!shown || shown.length > 512) throw new HttpError(401, "Unauthorized");
    const found = await pool.query<{ agent_id: string; company_id: string; status: string }>(
      `select k.agent_id, k.company_id, a.status from agent_api_keys k join agents a on a.id = k.agent_id
       where k.key_hash = $1 and k.revoked_at is null`,
      [hashKey(shown)],
    );
    const key = found.rows[0];
    if (!key || key.status === "terminated" || key.status === "pending_approval")
      throw new HttpError(401, "Unauthorized");
    return { type: "agent", id: key.agent_id, companyId: key.company_id };
  };
}

const bearerOf = (authorization: string): string | undefined =>
  /^Bearer\s+(\S+)$/i.exec(authorization)?.[1];

export function requireBoard(actor: Actor): void {
  if (actor.type !== "board") throw forbidden("Board access required");
}

/** An object of another company is not there, for who does not belong to it. */
export function requireCompany(actor: Actor, companyId: string, what = "Company"): void {
  if (actor.type === "agent" && actor.companyId !== companyId) throw notFound(what);
}

/** Names an actor in rows that say who asked. */
export const requester = (
  actor: Actor,
): { actorType: "user" | "agent"; actorId: string; agentId: string | null } =>
  actor.type === "board"
    ? { actorType: "user", actorId: actor.id, agentId: null }
    : { actorType: "agent", actorId: actor.id, agentId: actor.id };
