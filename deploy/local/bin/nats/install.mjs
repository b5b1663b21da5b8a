// Owns what "a usable nats-server binary" means: its version floor, how it is asked for its version, and the cache it is
// installed into. Knows nothing about where binaries come from. No dependency: it runs before `npm ci`.
import { spawnSync } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";

/** Oldest server that has all we build on: per-message TTL (2.11), batched direct get and atomic publish (2.12). */
export const FLOOR = "2.12.0";
/** What is downloaded when nothing suitable is on the machine: the release that every measurement was made with. */
export const RELEASE = "2.15.1";
export const EXECUTABLE = process.platform === "win32" ? "nats-server.exe" : "nats-server";

const repository = fileURLToPath(new URL("../../../../", import.meta.url));
const CACHED_NAME = /^nats-server-\d+\.\d+\.\d+(\.exe)?$/;

/** An error that ends the search: falling through to the next source would hide what the user asked for. */
export class FatalProvisioningError extends Error {}

/** Runs a command to its end, with captured output. The default bound (4 min) covers a package index over a slow line. */
export function run(command, args, options = {}) {
  return spawnSync(command, args, {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "pipe"],
    timeout: 240_000,
    ...options,
  });
}

/** `[major, minor, patch]` of the first version-like text, or undefined. */
function parseVersion(text) {
  return /(\d+)\.(\d+)\.(\d+)/
    .exec(text ?? "")
    ?.slice(1)
    .map(Number);
}

/** Whether `version` is `floor` or newer; false for what is no version. */
export function atLeast(version, floor) {
  const have = parseVersion(version);
  const need = parseVersion(floor);
  if (!have || !need) return false;
  for (let part = 0; part < 3; part++) {
    if (have[part] !== need[part]) return have[part] > need[part];
  }
  return true;
}

/** The version that a binary reports, or undefined when it does not run here (other platform, missing library). */
export function versionOf(bin) {
  const probe = run(bin, ["--version"], { timeout: 10_000 });
  return probe.status === 0 ? parseVersion(probe.stdout + probe.stderr)?.join(".") : undefined;
}

/**
 * Copies a binary into the cache after it has shown that it runs and is new enough.
 * The rename is atomic, so two installs that race are harmless.
 */
export function install(from, { cacheDir, min, source }) {
  const version = versionOf(from);
  if (!version) throw new Error(`the binary from ${source} does not run here`);
  if (!atLeast(version, min)) throw new Error(`${source} has ${version}, need >= ${min}`);
  fs.mkdirSync(cacheDir, { recursive: true });
  const suffix = process.platform === "win32" ? ".exe" : "";
  const bin = path.join(cacheDir, `nats-server-${version}${suffix}`);
  const partial = `${bin}.${process.pid}.tmp`;
  fs.copyFileSync(from, partial);
  fs.chmodSync(partial, 0o755);
  fs.renameSync(partial, bin);
  return { bin, version };
}

/** The newest cached binary that still runs and meets the floor, or undefined. */
export function findCached({ cacheDir, min }) {
  const names = fs.existsSync(cacheDir) ? fs.readdirSync(cacheDir) : [];
  const candidates = names
    .filter((name) => CACHED_NAME.test(name) && atLeast(name, min))
    .toSorted((a, b) => (atLeast(a, b) ? -1 : 1));
  for (const name of candidates) {
    const bin = path.join(cacheDir, name);
    const version = versionOf(bin);
    if (version && atLeast(version, min)) return { bin, version };
  }
  return undefined;
}

/**
 * Where downloads are kept: `$REVEILLE_CACHE_DIR`, else `$XDG_CACHE_HOME/reveille`, else `~/.cache/reveille`;
 * a folder that cannot be written gives way to `.cache` in the repository (containers often have no home).
 */
export function cacheDirectory(env = process.env) {
  if (env.REVEILLE_CACHE_DIR) return path.resolve(env.REVEILLE_CACHE_DIR);
  const base = env.XDG_CACHE_HOME || path.join(os.homedir(), ".cache");
  const preferred = path.join(base, "reveille");
  return isWritable(preferred) ? preferred : path.join(repository, ".cache");
}

function isWritable(directory) {
  try {
    fs.mkdirSync(directory, { recursive: true });
    fs.accessSync(directory, fs.constants.W_OK);
    return true;
  } catch {
    return false; // whatever the reason, the answer is the same: keep the cache elsewhere
  }
}
