/**
 * `npm run bench`: runs the chosen scenarios one after the other, each on fresh servers, and prints what they
 * found as one JSON document and as a table. A scenario that fails is reported and does not stop the others.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { help, readArguments, type BenchArguments, type ScenarioName } from "./arguments.js";
import { stopOnSignals } from "./interruption.js";
import { describeMachine } from "./machine.js";
import { findingsHold, table, type Report } from "./report.js";
import { cost } from "./scenarios/cost.js";
import { latency } from "./scenarios/latency.js";
import { logs } from "./scenarios/logs.js";
import { memory } from "./scenarios/memory.js";
import { size } from "./scenarios/size.js";
import type { Scenario } from "./scenarios/scenario.js";
import { throughput } from "./scenarios/throughput.js";

const scenarios: Record<ScenarioName, Scenario> = { latency, throughput, logs, memory, cost, size };
const results = fileURLToPath(new URL("../results/", import.meta.url));
const say = (line: string): void => void process.stderr.write(`${line}\n`);

async function run({ scenarios: names, quick }: BenchArguments): Promise<Report> {
  const machine = describeMachine();
  const report: Report = {
    format: 1,
    takenAt: new Date().toISOString(),
    machine,
    quick,
    scenarios: {},
    holds: true,
  };
  for (const name of names) {
    try {
      report.scenarios[name] = await scenarios[name]({
        quick,
        say: (line) => say(`${name}: ${line}`),
        onServers: (versions) => Object.assign(machine.versions, versions),
      });
    } catch (error) {
      report.scenarios[name] = { failed: (error as Error).message };
      say((error as Error).stack ?? String(error));
    }
  }
  report.holds = Object.values(report.scenarios).every(findingsHold);
  return report;
}

function publish(report: Report, { json, save }: BenchArguments): void {
  const text = `${JSON.stringify(report, undefined, 2)}\n`;
  if (json !== undefined) writeFileSync(json, text);
  else process.stdout.write(text);
  if (save !== undefined) {
    mkdirSync(results, { recursive: true });
    writeFileSync(join(results, `${report.takenAt.slice(0, 10)}-${save}.json`), text);
  }
  const readable = `${table(report)}\n`;
  if (json !== undefined) process.stdout.write(readable);
  else process.stderr.write(readable);
}

const read = readArguments(process.argv.slice(2));
if (read.kind === "run") {
  stopOnSignals(say);
  const report = await run(read.arguments);
  publish(report, read.arguments);
  process.exitCode = report.holds ? 0 : 1;
} else {
  process.stderr.write(read.kind === "help" ? `${help}\n` : `${read.reason}\n\n${help}\n`);
  process.exitCode = read.kind === "help" ? 0 : 2;
}
