// Owns the download of an official nats-server release and the check of its digest against the release's SHA256SUMS.
// Knows nothing about other sources. A digest that differs is fatal: it must never be papered over by the next source.
import { createHash } from "node:crypto";
import fs from "node:fs";
import path from "node:path";
import { EXECUTABLE, FatalProvisioningError, RELEASE, install, run } from "./install.mjs";

const ARCHITECTURES = { x64: "amd64", arm64: "arm64", arm: "arm7", ia32: "386" };
const PLATFORMS = { linux: "linux", darwin: "darwin", win32: "windows" };

/** The list of digests is 2 kB: a network that needs longer than this is closed, and another source answers sooner. */
const SUMS_TIMEOUT_MS = 8_000;
/** 7 MB at 50 kB/s. */
const ARCHIVE_TIMEOUT_MS = 180_000;

/** Downloads, verifies and installs the pinned release. `NATS_RELEASE_BASE` points to a mirror that also has SHA256SUMS. */
export async function fromRelease({ min, cacheDir, scratch, say }) {
  const name = assetName();
  const file = name + (process.platform === "win32" ? ".zip" : ".tar.gz");
  const base =
    process.env.NATS_RELEASE_BASE ??
    `https://github.com/nats-io/nats-server/releases/download/v${RELEASE}`;

  const sums = await (await get(`${base}/SHA256SUMS`, SUMS_TIMEOUT_MS)).text();
  const expected = digestOf(file, sums);
  if (!expected) throw new Error(`SHA256SUMS does not list ${file}`);

  say(`downloading ${file}`);
  const bytes = Buffer.from(await (await get(`${base}/${file}`, ARCHIVE_TIMEOUT_MS)).arrayBuffer());
  const actual = createHash("sha256").update(bytes).digest("hex");
  if (actual !== expected) {
    throw new FatalProvisioningError(
      `${file} has the digest ${actual}, but SHA256SUMS says ${expected}: not using it`,
    );
  }

  const archive = path.join(scratch, file);
  fs.writeFileSync(archive, bytes);
  const unpacked = run("tar", ["-xf", archive, "-C", scratch]); // bsdtar (macOS, Windows) reads zip as well
  if (unpacked.status !== 0) throw new Error(`tar: ${unpacked.stderr || unpacked.error}`);
  return install(path.join(scratch, name, EXECUTABLE), { cacheDir, min, source: "the release" });
}

function assetName() {
  const architecture = ARCHITECTURES[process.arch];
  const platform = PLATFORMS[process.platform];
  if (!architecture || !platform) {
    throw new Error(`there is no release for ${process.platform}/${process.arch}`);
  }
  return `nats-server-v${RELEASE}-${platform}-${architecture}`;
}

function digestOf(file, sums) {
  for (const line of sums.split("\n")) {
    const [digest, name] = line.trim().split(/\s+\*?/);
    if (name === file) return digest;
  }
  return undefined;
}

async function get(url, timeoutMs) {
  const response = await fetch(url, { signal: AbortSignal.timeout(timeoutMs) });
  if (!response.ok) throw new Error(`HTTP ${response.status} for ${path.basename(url)}`);
  return response;
}
