// Owns temporary folders of tests.
import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";

/** A folder that is gone after the test. Open for passing through, as a data directory's parent usually is. */
export function scratchFolder(name: string): string {
  const folder = mkdtempSync(join(tmpdir(), `reveille-${name}-`));
  chmodSync(folder, 0o711);
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}
