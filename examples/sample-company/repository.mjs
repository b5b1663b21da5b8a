// Looking at the folder in which an agent works: with git where it is a repository, else by walking it.
import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync, statSync } from "node:fs";
import { extname, join, relative } from "node:path";

/** Folders that hold no work of anybody. */
const skipped = new Set(["node_modules", "dist", ".git", ".reveille", ".cache"]);
/** A walk ends here: this is an example, not a search engine. */
const filesMax = 20_000;
/** Larger files are not texts that somebody wrote. */
const textBytesMax = 1024 * 1024;

/** The output of a git command in this folder; null when git or the repository is missing. */
export function git(...args) {
  try {
    return execFileSync("git", args, {
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"],
      maxBuffer: 64 * 1024 * 1024,
      timeout: 20_000,
      env: { ...process.env, GIT_PAGER: "cat", GIT_OPTIONAL_LOCKS: "0" },
    }).trim();
  } catch {
    return null; // no git, no repository, no commit yet, or a folder that git does not trust
  }
}

/** Paths of the files that belong here, relative to this folder. */
export function listFiles() {
  const listed = git("ls-files");
  return listed ? listed.split("\n") : walk(process.cwd());
}

function walk(folder, found = []) {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    if (found.length >= filesMax) break;
    const path = join(folder, entry.name);
    if (entry.isDirectory()) {
      if (!skipped.has(entry.name)) walk(path, found);
    } else if (entry.isFile()) found.push(relative(process.cwd(), path));
  }
  return found;
}

/** The kinds of files by their number: [[".ts", 120], [".md", 14], ...]. */
export function countKinds(files) {
  const counts = new Map();
  for (const file of files) {
    const kind = extname(file) || "(none)";
    counts.set(kind, (counts.get(kind) ?? 0) + 1);
  }
  return [...counts].sort(([a, n], [b, m]) => m - n || (a < b ? -1 : 1));
}

/** Lines of all files of one kind. A file that went away meanwhile has none. */
export function countLines(files, kind) {
  let lines = 0;
  for (const file of files) {
    if ((extname(file) || "(none)") !== kind) continue;
    const size = statSync(file, { throwIfNoEntry: false })?.size ?? 0;
    if (size === 0 || size > textBytesMax) continue;
    for (const byte of readFileSync(file)) if (byte === 0x0a) lines += 1;
  }
  return lines;
}
