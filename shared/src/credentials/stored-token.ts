/**
 * Tokens that are kept as a hash and shown once: keys of agents, and board tokens of people. They are
 * random, so a plain hash of one tells nothing and can be looked up. Knows no store.
 */
import { createHash, randomBytes } from "node:crypto";

/** Tells a board token from an agent's key. */
export const boardTokenPrefix = "rvb_";
/** As Paperclip's keys begin. */
const agentKeyPrefix = "pcp_";
/** 192 bits: far beyond guessing, and as long as Paperclip's. */
const randomLength = 24;

export interface NewToken {
  /** For its bearer, once. */
  token: string;
  /** For the database: sha256, hex. */
  hash: string;
}

export const hashToken = (token: string): string =>
  createHash("sha256").update(token).digest("hex");

function made(prefix: string): NewToken {
  const token = `${prefix}${randomBytes(randomLength).toString("hex")}`;
  return { token, hash: hashToken(token) };
}
export const newBoardToken = (): NewToken => made(boardTokenPrefix);
export const newAgentKey = (): NewToken => made(agentKeyPrefix);
