// Owns getting nats-server out of the Debian archive that this machine already trusts. apt runs with lists, cache and status
// of its own, and the package is unpacked, never installed: nothing on the system changes. apt checks the hash chain from
// the signed Release file down to the package; unsigned archives are refused.
import fs from "node:fs";
import path from "node:path";
import { debianSource } from "./debian-source.mjs";
import { EXECUTABLE, atLeast, install, run } from "./install.mjs";

/** Newest first in likelihood: stable carries a server below our floor for years, testing and unstable follow upstream. */
const SUITES = ["testing", "unstable", "stable"];

/** Fetches, unpacks and installs the first suite's package that meets the floor; throws with what each suite had. */
export function fromDebian({ min, cacheDir, scratch, say }) {
  const isThere = (tool) => run(tool, ["--version"]).status === 0;
  if (process.platform !== "linux" || !isThere("apt-get") || !isThere("dpkg-deb")) {
    throw new Error("no apt on this machine");
  }
  const source = debianSource();
  if (!source) throw new Error("no Debian archive among this machine's apt sources");

  const refusals = [];
  for (const suite of SUITES) {
    const root = path.join(scratch, suite);
    try {
      say(`asking this machine's Debian archive, suite ${suite}`);
      const bin = unpackFrom({ source, suite, root, min });
      return install(bin, { cacheDir, min, source: `Debian ${suite}` });
    } catch (error) {
      refusals.push(`${suite}: ${error.message}`);
    } finally {
      fs.rmSync(root, { recursive: true, force: true });
    }
  }
  throw new Error(refusals.join("; "));
}

function unpackFrom({ source, suite, root, min }) {
  for (const directory of ["lists/partial", "cache/archives/partial", "deb", "unpacked"]) {
    fs.mkdirSync(path.join(root, directory), { recursive: true });
  }
  const signedBy = source.signedBy ? `[signed-by=${source.signedBy}] ` : "";
  fs.writeFileSync(path.join(root, "sources.list"), `deb ${signedBy}${source.uri} ${suite} main\n`);
  const options = aptOptions(root);
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive", LC_ALL: "C" };

  const update = run("apt-get", ["-q", ...options, "update"], { env });
  const complaint = /^[EW]: .*(Failed to fetch|not signed|NO_PUBKEY)/m.test(update.stderr);
  if (update.status !== 0 || complaint) {
    throw new Error(`apt-get update: ${firstLine(update)}`);
  }

  const listed = run("apt-cache", [...options, "madison", "nats-server"], { env }).stdout;
  const version = listed.split("\n")[0]?.split("|")[1]?.trim();
  if (!version || !atLeast(version, min)) {
    throw new Error(`has ${version || "no nats-server"}, need >= ${min}`);
  }

  const into = path.join(root, "deb");
  const download = run("apt-get", ["-q", ...options, "download", `nats-server=${version}`], {
    env,
    cwd: into,
  });
  const deb = fs.readdirSync(into).find((name) => name.endsWith(".deb"));
  if (download.status !== 0 || !deb) throw new Error(`apt-get download: ${firstLine(download)}`);

  const unpacked = path.join(root, "unpacked");
  const unpack = run("dpkg-deb", ["-x", path.join(into, deb), unpacked]);
  if (unpack.status !== 0) throw new Error(`dpkg-deb: ${firstLine(unpack)}`);
  const bin = ["usr/sbin", "usr/bin"]
    .map((directory) => path.join(unpacked, directory, EXECUTABLE))
    .find((file) => fs.existsSync(file));
  if (!bin) throw new Error("the package holds no nats-server");
  return bin;
}

function aptOptions(root) {
  const settings = {
    "Dir::Etc::sourcelist": `${root}/sources.list`,
    "Dir::Etc::sourceparts": "/dev/null",
    "Dir::Etc::preferences": "/dev/null",
    "Dir::Etc::preferencesparts": "/dev/null",
    "Dir::State": root,
    "Dir::State::Lists": `${root}/lists`,
    "Dir::State::status": "/dev/null",
    "Dir::Cache": `${root}/cache`,
    "Acquire::Languages": "none",
    "Acquire::PDiffs": "false",
    "Acquire::Retries": "3",
    "Acquire::AllowInsecureRepositories": "false",
    "APT::Get::AllowUnauthenticated": "false",
    "Acquire::IndexTargets::deb::DEP-11::DefaultEnabled": "false",
    "Acquire::IndexTargets::deb::Contents-deb::DefaultEnabled": "false",
  };
  // As root, apt would drop to a user who cannot enter our scratch folder.
  if (process.getuid?.() === 0) settings["APT::Sandbox::User"] = "root";
  return Object.entries(settings).flatMap(([name, value]) => ["-o", `${name}=${value}`]);
}

function firstLine({ stderr, error, status }) {
  return (stderr ?? "").trim().split("\n")[0] || error?.message || `exit status ${status}`;
}
