/**
 * Secrets on the way: sealed to a public key (X25519, HKDF-SHA256, AES-256-GCM), so that only the runner
 * that made the key can open them. An own key pair for each message: nothing to keep, nothing to repeat.
 */
import {
  createCipheriv,
  createDecipheriv,
  createPublicKey,
  diffieHellman,
  generateKeyPairSync,
  hkdfSync,
} from "node:crypto";
import type { KeyObject } from "node:crypto";

/** A key pair of one runner incarnation. */
export interface SealKeys {
  /** Raw, base64url, 43 characters: what goes with a claim. */
  publicKey: string;
  privateKey: KeyObject;
}

const rawOf = (key: KeyObject): string => key.export({ format: "jwk" }).x!;
const publicOf = (raw: string): KeyObject =>
  createPublicKey({ key: { kty: "OKP", crv: "X25519", x: raw }, format: "jwk" });

export function createSealKeys(): SealKeys {
  const { publicKey, privateKey } = generateKeyPairSync("x25519");
  return { publicKey: rawOf(publicKey), privateKey };
}

/** One key for one message: the nonce may be the same for all. */
const nonce = Buffer.alloc(12);
const tagBytes = 16;
const rawBytes = 32;

function keyOf(
  privateKey: KeyObject,
  other: KeyObject,
  ephemeral: string,
  recipient: string,
): Buffer {
  const shared = diffieHellman({ privateKey, publicKey: other });
  return Buffer.from(
    hkdfSync("sha256", shared, "reveille-seal-v1", `${ephemeral}${recipient}`, 32),
  );
}

/** Seals text to a raw public key; base64url. @throws Error when the key is none. */
export function seal(recipient: string, text: string): string {
  const own = createSealKeys();
  const key = keyOf(own.privateKey, publicOf(recipient), own.publicKey, recipient);
  const cipher = createCipheriv("aes-256-gcm", key, nonce);
  const sealed = Buffer.concat([cipher.update(text, "utf8"), cipher.final()]);
  const parts = [Buffer.from(own.publicKey, "base64url"), cipher.getAuthTag(), sealed];
  return Buffer.concat(parts).toString("base64url");
}

/** Opens what was sealed to these keys; null when it was not. */
export function open(keys: SealKeys, sealed: string): string | null {
  const bytes = Buffer.from(sealed, "base64url");
  if (bytes.length < rawBytes + tagBytes) return null;
  try {
    const ephemeral = bytes.subarray(0, rawBytes).toString("base64url");
    const key = keyOf(keys.privateKey, publicOf(ephemeral), ephemeral, keys.publicKey);
    const decipher = createDecipheriv("aes-256-gcm", key, nonce);
    decipher.setAuthTag(bytes.subarray(rawBytes, rawBytes + tagBytes));
    const text = decipher.update(bytes.subarray(rawBytes + tagBytes), undefined, "utf8");
    return text + decipher.final("utf8");
  } catch {
    return null;
  }
}
