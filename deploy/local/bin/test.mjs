#!/usr/bin/env node
// `npm test`: makes a fresh clone runnable, runs vitest with the given arguments, and ends with the line
// `tests: N passed, N failed`. The exit status is vitest's; a run without a report counts as one failure.
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { prepare, runInstalled } from "./prepare.mjs";

await prepare({ nats: true }); // tests never use an existing server
const scratch = fs.mkdtempSync(path.join(os.tmpdir(), "reveille-test-"));
const report = path.join(scratch, "report.json");
const args = ["run", "--reporter=default", "--reporter=json", `--outputFile.json=${report}`];
let status = 1;
try {
  status = await runInstalled("vitest/vitest.mjs", [...args, ...process.argv.slice(2)]);
  const { passed, failed } = countTests(report);
  if (failed > 0 && status === 0) status = 1;
  // Errors outside of any test (an unhandled rejection, a teardown) fail the run without a failed test.
  const counted = status !== 0 && failed === 0 ? 1 : failed;
  process.stdout.write(`tests: ${passed} passed, ${counted} failed\n`);
} finally {
  fs.rmSync(scratch, { recursive: true, force: true });
}
process.exitCode = status;

function countTests(file) {
  if (!fs.existsSync(file)) return { passed: 0, failed: 1 };
  const { numPassedTests, numFailedTests, testResults } = JSON.parse(fs.readFileSync(file, "utf8"));
  // A file that cannot be loaded has no tests that could fail; it counts as one.
  const broken = testResults.filter(
    (one) =>
      one.status === "failed" && one.assertionResults.every((test) => test.status !== "failed"),
  );
  return { passed: numPassedTests, failed: numFailedTests + broken.length };
}
