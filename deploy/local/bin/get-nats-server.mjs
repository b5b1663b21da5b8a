#!/usr/bin/env node
// Finds or fetches a nats-server that is new enough, and prints its path (all else goes to stderr). Owns the order of the
// sources: $NATS_SERVER_BIN > PATH > cache > official release > this machine's Debian archive. Plain JavaScript without
// dependencies, because it runs while `npm ci` is still at work.
//   node get-nats-server.mjs [--min 2.12.0] [--cache DIR] [--only env|path|cache|release|debian] [--json]
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { fromDebian } from "./nats/debian.mjs";
import {
  EXECUTABLE,
  FLOOR,
  FatalProvisioningError,
  atLeast,
  cacheDirectory,
  findCached,
  versionOf,
} from "./nats/install.mjs";
import { fromRelease } from "./nats/release.mjs";

/** Where package managers put daemons that a user's PATH often lacks. */
const EXTRA_FOLDERS =
  process.platform === "win32" ? [] : ["/usr/local/sbin", "/usr/sbin", "/opt/homebrew/bin"];

/** In this order; each answers `{ bin, version }`, undefined ("have none"), or throws with the reason. */
const SOURCES = {
  env: fromEnvironment,
  path: fromPath,
  cache: findCached,
  release: fromRelease,
  debian: fromDebian,
};

/**
 * Resolves to `{ bin, version, how }` of a nats-server >= `min` (default: the project's floor). Downloads at most once per
 * cache; `only` restricts the search to one source; `say` gets progress lines.
 * @throws when no source has one, with each source's reason; at once for a bad NATS_SERVER_BIN or a wrong digest.
 */
export async function getNatsServer({ min = FLOOR, cacheDir, only, say = () => {} } = {}) {
  const cache = path.resolve(cacheDir ?? cacheDirectory());
  const reasons = [];
  for (const [how, source] of Object.entries(SOURCES)) {
    if (only && only !== how) continue;
    const scratch = fs.mkdtempSync(path.join(os.tmpdir(), "reveille-nats-"));
    try {
      const found = await source({ min, cacheDir: cache, scratch, say });
      if (found) return { ...found, how };
      reasons.push(`  ${how}: none`);
    } catch (error) {
      if (error instanceof FatalProvisioningError) throw error;
      reasons.push(`  ${how}: ${error.cause?.code ?? error.cause?.message ?? error.message}`);
    } finally {
      fs.rmSync(scratch, { recursive: true, force: true });
    }
  }
  throw new Error(
    `no nats-server >= ${min} could be found or fetched:\n${reasons.join("\n")}\n` +
      "Install one (https://docs.nats.io/running-a-nats-service/introduction/installation) " +
      "and set NATS_SERVER_BIN=/path/to/nats-server, or set NATS_URL to a running server.",
  );
}

function fromEnvironment({ min }) {
  const bin = process.env.NATS_SERVER_BIN;
  if (!bin) return undefined;
  const version = versionOf(bin);
  if (!version) throw new FatalProvisioningError(`NATS_SERVER_BIN=${bin} does not run`);
  if (!atLeast(version, min)) {
    throw new FatalProvisioningError(`NATS_SERVER_BIN=${bin} is ${version}, need >= ${min}`);
  }
  return { bin, version };
}

function fromPath({ min, say }) {
  const folders = (process.env.PATH ?? "").split(path.delimiter).filter(Boolean);
  for (const folder of new Set([...folders, ...EXTRA_FOLDERS])) {
    const bin = path.join(folder, EXECUTABLE);
    if (!fs.existsSync(bin)) continue;
    const version = versionOf(bin);
    if (version && atLeast(version, min)) return { bin, version };
    say(`ignoring ${bin} (${version ?? "does not run"}, need >= ${min})`);
  }
  return undefined;
}

async function main() {
  const { values } = parseArgs({
    options: {
      min: { type: "string" },
      cache: { type: "string" },
      only: { type: "string" },
      json: { type: "boolean" },
    },
  });
  if (values.only && !(values.only in SOURCES)) {
    throw new Error(`--only: expected one of ${Object.keys(SOURCES).join(", ")}`);
  }
  const say = (line) => process.stderr.write(`nats-server: ${line}\n`);
  const found = await getNatsServer({
    min: values.min,
    cacheDir: values.cache,
    only: values.only,
    say,
  });
  say(`${found.version} from ${found.how}: ${found.bin}`);
  process.stdout.write(`${values.json ? JSON.stringify(found) : found.bin}\n`);
}

if (process.argv[1] && fs.realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) {
  main().catch((error) => {
    process.stderr.write(`nats-server: ${error.message}\n`);
    process.exitCode = 1;
  });
}
