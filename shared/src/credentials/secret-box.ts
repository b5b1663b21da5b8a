/**
 * Secrets at rest: AES-256-GCM under the installation's master key. The company and the secret's id and
 * version are authenticated with the value, so that rows cannot be exchanged for each other.
 */
import { createCipheriv, createDecipheriv, randomBytes } from "node:crypto";
import { z } from "zod";

/** What `company_secret_versions.material` holds; bytes are base64url. */
export const secretMaterialSchema = z.object({
  scheme: z.literal("local_encrypted_v1"),
  nonce: z.string(),
  tag: z.string(),
  ciphertext: z.string(),
});
export type SecretMaterial = z.infer<typeof secretMaterialSchema>;

export interface SecretPlace {
  companyId: string;
  secretId: string;
  version: number;
}

const placeOf = ({ companyId, secretId, version }: SecretPlace): Buffer =>
  Buffer.from(`${companyId}:${secretId}:${version}`);

/** @param key 32 bytes. */
export function encryptSecret(key: Buffer, place: SecretPlace, value: string): SecretMaterial {
  const nonce = randomBytes(12);
  const cipher = createCipheriv("aes-256-gcm", key, nonce);
  cipher.setAAD(placeOf(place));
  const ciphertext = Buffer.concat([cipher.update(value, "utf8"), cipher.final()]);
  return {
    scheme: "local_encrypted_v1",
    nonce: nonce.toString("base64url"),
    tag: cipher.getAuthTag().toString("base64url"),
    ciphertext: ciphertext.toString("base64url"),
  };
}

/** The value; null when key, place or material do not belong together. */
export function decryptSecret(key: Buffer, place: SecretPlace, material: unknown): string | null {
  const read = secretMaterialSchema.safeParse(material);
  if (!read.success) return null;
  const { nonce, tag, ciphertext } = read.data;
  try {
    const decipher = createDecipheriv("aes-256-gcm", key, Buffer.from(nonce, "base64url"));
    decipher.setAAD(placeOf(place));
    decipher.setAuthTag(Buffer.from(tag, "base64url"));
    return (
      decipher.update(Buffer.from(ciphertext, "base64url"), undefined, "utf8") +
      decipher.final("utf8")
    );
  } catch {
    // A wrong key and a changed row look the same, and are.
    return null;
  }
}
