// Owns getting a fresh clone ready to run: the Node version, `npm ci`, nats-server, `tsc -b`, the console, each only when it is needed.
// Plain JavaScript without dependencies: nothing is installed yet when it starts.
import { spawn } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";

/** Root of the repository. Not the working directory: npm may be run from anywhere. */
const repository = fileURLToPath(new URL("../../../", import.meta.url));

const say = (line) => process.stderr.write(`${line}\n`);

/**
 * Makes the clone runnable. With `nats` (default: unless NATS_URL names a server) the program of nats-server is fetched while npm is at work, so that the first start is
 * as slow as the slower of the two. Exits the process with status 1 and a reason when something cannot be had.
 */
export async function prepare({ nats = !process.env.NATS_URL } = {}) {
  checkNode();
  process.chdir(repository);
  const steps = [];
  if (nats) steps.push(fetchNats());
  steps.push(installAndBuild());
  const failed = (await Promise.allSettled(steps)).find(({ status }) => status === "rejected");
  if (failed) {
    say(`\n${failed.reason.message}`);
    process.exit(1);
  }
}

/** Runs a command with our terminal to its end. @returns its exit status; 1 when a signal ended it. */
function runInTerminal(command, args, options = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd: repository, stdio: "inherit", ...options });
    child.once("error", reject);
    child.once("exit", (code) => resolve(code ?? 1));
  });
}

/** A program of an installed package, run by this very Node: no shell, no PATH, the same on every platform. */
export function runInstalled(file, args, options) {
  return runInTerminal(
    process.execPath,
    [path.join(repository, "node_modules", file), ...args],
    options,
  );
}

function checkNode() {
  const [major, minor] = process.versions.node.split(".").map(Number);
  if (major > 20 || (major === 20 && minor >= 19)) return;
  say(`Reveille needs Node 20.19 or newer; this is ${process.versions.node}.`);
  process.exit(1);
}

async function fetchNats() {
  const script = path.join(repository, "deploy", "local", "bin", "get-nats-server.mjs");
  const stdio = ["ignore", "ignore", "inherit"];
  const status = await runInTerminal(process.execPath, [script], { stdio });
  if (status !== 0) throw new Error("nats-server is missing, see above.");
}

async function installAndBuild() {
  if (!isInstalled()) {
    say("Installing packages (npm ci) ...");
    const npm = process.platform === "win32" ? "npm.cmd" : "npm";
    const args = ["ci", "--no-audit", "--no-fund", "--loglevel", "error"];
    // npm's own report goes to stderr with ours: stdout belongs to the command that we prepare for.
    const status = await runInTerminal(npm, args, { stdio: ["ignore", 2, 2] });
    if (status !== 0) throw new Error("npm ci failed, see above.");
  }
  if (!isBuilt()) {
    say("Building (tsc -b) ...");
    const status = await runInstalled("typescript/bin/tsc", ["-b"]);
    if (status !== 0) throw new Error("The build failed, see above.");
  }
  // Finds out by itself whether there is anything to do. A gateway without its console works, so nobody is kept from starting.
  const script = path.join(repository, "services", "gateway", "web", "build.mjs");
  const status = await runInTerminal(process.execPath, [script], { stdio: ["ignore", 2, 2] });
  if (status !== 0) say("The console was not built, see above. Everything else works.");
}

/** npm writes its hidden lockfile last; one that is older than ours, or missing, means an install that is owed. */
function isInstalled() {
  const installed = modifiedAt(path.join(repository, "node_modules", ".package-lock.json"));
  return installed >= modifiedAt(path.join(repository, "package-lock.json"));
}

/**
 * True when no source is newer than its package's build. Looking at the times of some hundred files takes milliseconds; `tsc -b`
 * that finds nothing to do takes seconds on a slow machine.
 */
function isBuilt() {
  const shared = Math.max(
    ...["tsconfig.json", "tsconfig.base.json"].map((name) =>
      modifiedAt(path.join(repository, name)),
    ),
  );
  return packagesWithSources().every((folder) => {
    const built = modifiedAt(path.join(folder, "dist", ".tsbuildinfo"));
    const sources = newestIn(path.join(folder, "src"));
    return built >= Math.max(shared, sources, modifiedAt(path.join(folder, "tsconfig.json")));
  });
}

function packagesWithSources() {
  const { references } = JSON.parse(
    fs.readFileSync(path.join(repository, "tsconfig.json"), "utf8"),
  );
  return references
    .map((reference) => path.join(repository, reference.path))
    .filter((folder) => newestIn(path.join(folder, "src")) > 0);
}

/** Newest change of a file below a folder; 0 when there is none. Tests are not built. */
function newestIn(folder) {
  if (!fs.existsSync(folder)) return 0;
  let newest = 0;
  for (const entry of fs.readdirSync(folder, { withFileTypes: true })) {
    const file = path.join(folder, entry.name);
    if (entry.isDirectory()) newest = Math.max(newest, newestIn(file));
    else if (!entry.name.endsWith(".test.ts")) newest = Math.max(newest, modifiedAt(file));
  }
  return newest;
}

function modifiedAt(file) {
  return fs.statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? 0;
}
