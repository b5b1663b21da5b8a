import { mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readKeys } from "@reveille/shared/credentials/keys";
import { afterAll, expect, test } from "vitest";
import { ensureKeys } from "./installation-keys.js";

const scratch = mkdtempSync(join(tmpdir(), "reveille-keys-"));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

test("keys are made once, for this user alone, in a form that services read", () => {
  const files = ensureKeys(join(scratch, "keys"));
  const before = readFileSync(files.masterKey, "utf8");
  expect(ensureKeys(join(scratch, "keys"))).toEqual(files);
  expect(readFileSync(files.masterKey, "utf8")).toBe(before);
  for (const file of [files.masterKey, files.tokenSecret])
    expect(statSync(file).mode & 0o777).toBe(0o600);
  const read = readKeys({
    REVEILLE_SECRETS_MASTER_KEY_FILE: files.masterKey,
    REVEILLE_RUN_TOKEN_SECRET_FILE: files.tokenSecret,
  });
  expect(read.masterKey?.toString("hex")).toBe(before.trim());
  expect(read.tokenSecret).toHaveLength(64);
});
