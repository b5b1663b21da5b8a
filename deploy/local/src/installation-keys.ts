// Owns the secrets of a local installation: the master key of stored secrets and the signing secret of run tokens. Made once, then
// kept: without the first, what was stored cannot be read any more.
import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { writeAtomically } from "./data-dir.js";

export interface KeyFiles {
  /** 32 bytes as hex digits. */
  readonly masterKey: string;
  readonly tokenSecret: string;
}

/** Both need 256 bits: the length of an AES-256 key, and of the hash that signs tokens. */
const KEY_BYTES = 32;

/** Makes what is missing, readable for this user alone. The data directory is locked, so nobody else does. */
export function ensureKeys(folder: string): KeyFiles {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  return {
    masterKey: ensureKey(join(folder, "secrets-master-key")),
    tokenSecret: ensureKey(join(folder, "run-token-secret")),
  };
}

function ensureKey(file: string): string {
  if (!existsSync(file)) writeAtomically(file, `${randomBytes(KEY_BYTES).toString("hex")}\n`);
  return file;
}
