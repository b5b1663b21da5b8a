import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { findCommand } from "./command-path.js";

const folder = mkdtempSync(join(tmpdir(), "reveille-path-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
mkdirSync(join(folder, "bin"));
mkdirSync(join(folder, "bin", "folder"));
for (const [name, mode] of [
  ["tool", 0o755],
  ["plain", 0o644],
] as const) {
  writeFileSync(join(folder, "bin", name), "#!/bin/sh\n");
  chmodSync(join(folder, "bin", name), mode);
}
const path = `/nowhere:${join(folder, "bin")}`;

test.each([
  ["tool", join(folder, "bin", "tool")],
  ["./bin/tool", join(folder, "bin", "tool")],
  [join(folder, "bin", "tool"), join(folder, "bin", "tool")],
])("finds %s", (command, expected) => {
  expect(findCommand(command, folder, path)).toEqual({ ok: true, path: expected });
});

test.each([
  ["absent", folder, /Verify adapter command, working directory, and PATH/],
  ["plain", folder, /Permission denied/],
  ["folder", folder, /Permission denied/],
  ["to\0ol", folder, /NUL/],
  ["tool", join(folder, "gone"), /working directory does not exist/],
  ["tool", join(folder, "bin", "tool"), /working directory does not exist/],
])("says why %j in %s cannot be started", (command, cwd, reason) => {
  const found = findCommand(command, cwd, path);
  expect(found).toMatchObject({ ok: false, reason: expect.stringMatching(reason) });
});
