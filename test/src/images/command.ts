// `npm run images:check`: reads the Dockerfiles, lays the images out without an engine, and starts them against servers of its own.
// Ends with 0 when everything is as it should be; prints sizes, and digests that are the same wherever this commit is built.
import { getNatsServer } from "@reveille/local/nats-binary";
import { startTestNats } from "../harness/nats.js";
import { startTestPostgres } from "../harness/postgres.js";
import { layOutImages } from "./check.js";
import { isolation } from "./container.js";
import { lint } from "./rules.js";
import { extensionSubject, imagesSubject } from "./subjects.js";
import { tryImages } from "./trial.js";

const say = (line: string): void => void process.stdout.write(`${line}\n`);
const megabytes = (bytes: number): string => `${(bytes / 1e6).toFixed(1)} MB`;

process.exitCode = (await check()) ? 0 : 1;

async function check(): Promise<boolean> {
  const problems: string[] = [];
  const findings = [...lint(imagesSubject()), ...lint(extensionSubject())];
  problems.push(...findings.map(({ rule, line, text }) => `line ${line}: ${text} (${rule})`));
  say(`rules: ${findings.length} broken`);
  const laidOut = await layOutImages((line) => say(`layout: ${line}`));
  try {
    for (const [name, { bytes, fileCount, digest, problems: found }] of laidOut.contents) {
      say(`${name}: ${megabytes(bytes)} on the base, ${fileCount} files, sha256 ${digest}`);
      problems.push(...found.map((one) => `${name}: ${one}`));
    }
    problems.push(...laidOut.leftBehind.map((one) => `no COPY takes ${one}`));
    problems.push(...(await start(laidOut)));
  } finally {
    laidOut.remove();
  }
  for (const problem of problems) say(`WRONG: ${problem}`);
  say(problems.length === 0 ? "images: all right" : `images: ${problems.length} problems`);
  return problems.length === 0;
}

async function start(laidOut: Awaited<ReturnType<typeof layOutImages>>): Promise<string[]> {
  const { bin } = await getNatsServer({ say });
  const nats = await startTestNats({ bin });
  const postgres = await startTestPostgres();
  try {
    const { roots, scratch } = laidOut;
    const servers = { databaseUrl: postgres.url, natsUrl: nats.serviceUrl };
    const tried = await tryImages({ file: imagesSubject().file, roots, scratch, ...servers });
    for (const { what, problem } of tried) say(`${problem === null ? "ok" : "WRONG"}: ${what}`);
    say(`started in ${isolation() === "plain" ? "plain processes" : "namespaces, read-only"}`);
    return tried.flatMap(({ what, problem }) => (problem === null ? [] : [`${what}: ${problem}`]));
  } finally {
    await nats.stop();
    await postgres.stop();
  }
}
