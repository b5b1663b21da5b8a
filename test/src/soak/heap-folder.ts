// Owns where the services of a soak leave the size of their live heaps: a file for each process, overwritten again and again.
import { readFileSync } from "node:fs";
import { join } from "node:path";

export const heapFolderVariable = "REVEILLE_SOAK_HEAPS";

/** For every service. What it starts has the same variables, and lives too short to say anything. */
export const heapEnvironment = (folder: string): Record<string, string> => ({
  NODE_OPTIONS: `--expose-gc --import=${new URL("./heap-probe.js", import.meta.url).href}`,
  [heapFolderVariable]: folder,
});

/** Bytes on the heap and outside of it after the last collection; undefined: that process has said nothing yet. */
export function liveBytes(folder: string, pid: number): number | undefined {
  try {
    const bytes = Number(readFileSync(join(folder, String(pid)), "utf8"));
    return bytes > 0 ? bytes : undefined; // empty: it is just being written
  } catch {
    return undefined;
  }
}
