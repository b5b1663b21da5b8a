// `npm run faults`: runs rows of the fault matrix, one after the other, until each has its passes in a row, and records every result.
// Owns the files and the processes of that; what the results mean is in command-record.ts.
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { readArguments, usage, type Wanted } from "./command-arguments.js";
import {
  formVariable,
  isChanged,
  passesInARow,
  resultsOf,
  table,
  withResult,
  withoutResults,
  type Form,
  type Result,
  type Results,
} from "./command-record.js";
import { filePrefix, matrix, type Row } from "./matrix.js";

const root = fileURLToPath(new URL("../../../", import.meta.url));
const rowsFolder = "test/src/faults";
const resultsFile = join(root, "test/results/faults.json");
/** What runs in a row, besides its own file: every service, what they share, and what starts them. */
const productFolders = ["services", "shared/src", "shared/migrations", "deploy/local/src"];
/** 15 min: the longest row in its full form takes some; a row that hangs must not keep the others waiting for ever. */
const rowMaxMs = 900_000;
/** Of one test in the full form, which repeats what the configured two minutes are enough for. */
const fullTestMs = 600_000;

/** Files of the product below a folder of the repository, without builds and unit tests. */
function filesBelow(folder: string): string[] {
  return readdirSync(join(root, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = `${folder}/${entry.name}`;
    if (entry.isDirectory())
      return ["dist", "node_modules"].includes(entry.name) ? [] : filesBelow(path);
    return entry.name.endsWith(".test.ts") ? [] : [path];
  });
}

function hashOf(files: readonly string[]): string {
  const hash = createHash("sha256");
  for (const file of files.toSorted()) {
    hash.update(`${file}\0`);
    hash.update(readFileSync(join(root, file)));
  }
  return hash.digest("hex").slice(0, 16);
}

function filesOf(row: Row): string[] {
  const names = readdirSync(join(root, rowsFolder)).filter(
    (name) => name.startsWith(filePrefix(row)) && name.endsWith(".test.ts"),
  );
  return names.map((name) => `${rowsFolder}/${name}`);
}

function read(): Results {
  return existsSync(resultsFile)
    ? (JSON.parse(readFileSync(resultsFile, "utf8")) as { rows: Results }).rows
    : {};
}

/** Whole or not at all: a run that is interrupted leaves what it had. */
function write(rows: Results): void {
  mkdirSync(dirname(resultsFile), { recursive: true });
  writeFileSync(`${resultsFile}.new`, `${JSON.stringify({ rows }, undefined, 1)}\n`);
  renameSync(`${resultsFile}.new`, resultsFile);
}

/** Resolves to the exit status; a program that takes longer than `rowMaxMs` is ended and counts as failed. */
async function run(args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<number> {
  const child = spawn(process.execPath, args, {
    cwd: root,
    env: { ...process.env, ...env },
    stdio: ["ignore", "inherit", "inherit"],
  });
  const late = setTimeout(() => child.kill("SIGTERM"), rowMaxMs);
  try {
    return await new Promise((resolve, reject) => {
      child.once("error", reject);
      child.once("exit", (code) => resolve(code ?? 1));
    });
  } finally {
    clearTimeout(late);
  }
}

interface Report {
  numTotalTests: number;
  numPassedTests: number;
  numFailedTests: number;
  testResults: {
    message?: string;
    assertionResults: { status: string; fullName: string; failureMessages?: string[] }[];
  }[];
}

async function runRow(files: readonly string[], form: Form, hash: string): Promise<Result> {
  const scratch = mkdtempSync(join(tmpdir(), "reveille-faults-"));
  const report = join(scratch, "report.json");
  const at = new Date().toISOString();
  const began = performance.now();
  try {
    const status = await run(
      [
        join(root, "node_modules/vitest/vitest.mjs"),
        "run",
        "--project=cluster",
        "--reporter=default",
        "--reporter=json",
        `--outputFile.json=${report}`,
        ...(form === "full" ? [`--testTimeout=${fullTestMs}`] : []),
        ...files,
      ],
      { [formVariable]: form },
    );
    const ms = Math.round(performance.now() - began);
    const found = existsSync(report)
      ? (JSON.parse(readFileSync(report, "utf8")) as Report)
      : undefined;
    const reason = reasonOf(status, found, form);
    const tests = found?.numPassedTests ?? 0;
    const skipped = (found?.numTotalTests ?? 0) - tests - (found?.numFailedTests ?? 0);
    return {
      at,
      ms,
      passed: reason === undefined,
      hash,
      tests,
      ...(skipped > 0 ? { skipped } : {}),
      ...(reason ? { reason } : {}),
    };
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

/** A line of a failure: enough to know it again. */
const reasonMax = 200;

function reasonOf(status: number, report: Report | undefined, form: Form): string | undefined {
  if (!report) return `vitest ended with ${status} and no report`;
  const tests = report.testResults.flatMap(({ assertionResults }) => assertionResults);
  // A bar whose test was skipped is not met. The short form may leave out what takes long.
  const allowed = form === "short" ? ["passed", "skipped", "pending"] : ["passed"];
  const bad = tests.find((test) => !allowed.includes(test.status));
  if (bad) {
    const why = bad.failureMessages?.[0]?.split("\n")[0] ?? bad.status;
    return `${bad.fullName}: ${why}`.slice(0, reasonMax);
  }
  if (!tests.some((test) => test.status === "passed"))
    return (report.testResults[0]?.message?.split("\n")[0] || "no tests").slice(0, reasonMax);
  return status === 0 ? undefined : `vitest ended with ${status}`;
}

/** The services that rows start are the build: it has to be of the code whose hash is recorded. */
async function build(): Promise<void> {
  if ((await run([join(root, "node_modules/typescript/bin/tsc"), "-b"])) !== 0)
    throw new Error("the build fails");
}

/** Tries that a row gets at most, for passes that did not count because the code changed under them. */
const triesPerPass = 2;

async function main(wanted: Wanted): Promise<boolean> {
  const rows = matrix.filter(({ id }) => wanted.ids.includes(id));
  const product = (): string[] => productFolders.flatMap(filesBelow);
  const hashNow = (row: Row): string => hashOf([...product(), ...filesOf(row)]);
  if (wanted.fresh) write(withoutResults(read(), wanted.ids, wanted.form));
  const chosen = rows.filter(
    (row) => !wanted.changed || isChanged(read(), row.id, wanted.form, hashNow(row)),
  );
  let built = "";
  for (const row of chosen) {
    const files = filesOf(row);
    for (let tries = 0; files.length > 0 && tries < wanted.times * triesPerPass; tries += 1) {
      const hash = hashNow(row);
      const passes = passesInARow(resultsOf(read(), row.id, wanted.form), hash);
      if (passes >= wanted.times) break;
      if (built !== hashOf(product())) await build();
      built = hashOf(product());
      process.stdout.write(`\n${row.id} ${passes + 1}/${wanted.times}: ${row.fault}\n`);
      const result = await runRow(files, wanted.form, hash);
      const same = hashNow(row) === hash;
      write(
        withResult(read(), row.id, wanted.form, same ? result : { ...result, hash: "changed" }),
      );
      if (!result.passed) break;
    }
  }
  const judged = rows.map((row) => ({ ...row, hash: hashNow(row) }));
  const { lines, complete } = table(judged, read(), wanted.form, wanted.times);
  process.stdout.write(`\n${lines.join("\n")}\n`);
  return complete;
}

try {
  const wanted = readArguments(process.argv.slice(2));
  process.exitCode = (await main(wanted)) ? 0 : 1;
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n\n${usage}\n`);
  process.exitCode = 2;
}
