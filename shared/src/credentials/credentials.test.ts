import { randomBytes } from "node:crypto";
import { expect, test } from "vitest";
import { newId } from "../protocol/ids.js";
import { readKeys } from "./keys.js";
import { runTokenTtlSec, signRunToken, verifyRunToken } from "./run-token.js";
import { createSealKeys, open, seal } from "./seal.js";
import { decryptSecret, encryptSecret } from "./secret-box.js";

const secret = "s".repeat(32);
const run = {
  agentId: newId(),
  companyId: newId(),
  adapterType: "process",
  runId: newId(),
  attempt: 2,
  claimId: newId(),
};
const now = 1_767_225_600_000;

test("a run's token says whose it is, until it is over", () => {
  const token = signRunToken(secret, run, now);
  expect(verifyRunToken(secret, token, now)).toEqual(run);
  expect(verifyRunToken(secret, token, now + runTokenTtlSec * 1_000)).toBeNull();
});

test.each([
  ["another secret", (token: string) => [secret.replace("s", "t"), token]],
  ["a changed body", (token: string) => [secret, token.replace(/\.(.)/, ".A")]],
  ["no algorithm", (token: string) => [secret, token.replace(/^[^.]+/, "eyJhbGciOiJub25lIn0")]],
  ["no signature", (token: string) => [secret, token.replace(/[^.]+$/, "")]],
  ["a part more", (token: string) => [secret, `${token}.x`]],
])("a token with %s is nobody's", (_what, spoil) => {
  const [key, token] = spoil(signRunToken(secret, run, now)) as [string, string];
  expect(verifyRunToken(key, token, now)).toBeNull();
});

test("a stored secret opens in its own place alone", () => {
  const key = randomBytes(32);
  const place = { companyId: newId(), secretId: newId(), version: 1 };
  const material = encryptSecret(key, place, "grün 🔑");
  expect(JSON.stringify(material)).not.toContain("grün");
  expect(decryptSecret(key, place, material)).toBe("grün 🔑");
  expect(decryptSecret(key, { ...place, version: 2 }, material)).toBeNull();
  expect(decryptSecret(randomBytes(32), place, material)).toBeNull();
  expect(decryptSecret(key, place, { scheme: "other" })).toBeNull();
});

test("what is sealed opens with the key it was sealed to", () => {
  const keys = createSealKeys();
  expect(keys.publicKey).toHaveLength(43);
  const sealed = seal(keys.publicKey, '["a","b"]');
  expect(open(keys, sealed)).toBe('["a","b"]');
  expect(open(createSealKeys(), sealed)).toBeNull();
  expect(open(keys, sealed.slice(0, 20))).toBeNull();
  expect(open(keys, `${sealed.slice(0, -2)}AA`)).toBeNull();
});

test("keys are read from values and files, bad ones are named", () => {
  const hex = "ab".repeat(32);
  expect(readKeys({ REVEILLE_SECRETS_MASTER_KEY: hex }).masterKey?.toString("hex")).toBe(hex);
  expect(readKeys({})).toEqual({ masterKey: null, tokenSecret: null });
  expect(() => readKeys({ REVEILLE_SECRETS_MASTER_KEY: "short" })).toThrow(/MASTER_KEY/);
  expect(() => readKeys({ REVEILLE_RUN_TOKEN_SECRET: "short" })).toThrow(/RUN_TOKEN_SECRET/);
  expect(() => readKeys({ REVEILLE_RUN_TOKEN_SECRET_FILE: "/nowhere/at all" })).toThrow(/_FILE/);
});
