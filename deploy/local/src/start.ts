// Owns `npm start` once everything is installed and built: brings the stack up, says where it listens, stays until Ctrl-C.
import { parseArgs } from "node:util";
import { DataDirBusy } from "./data-dir.js";
import type { Endpoints } from "./endpoints.js";
import { NATS_PORT } from "./embedded-servers.js";
import { freePort } from "./free-port.js";
import { showProgress } from "./progress.js";
import { seedSample } from "./sample.js";
import { startStack, type Stack } from "./up.js";

/** Exit statuses: 1 = failed to start or stop, 2 = bad arguments or environment, 3 = already running on this data. */
const FAILED = 1;
const BAD_USAGE = 2;
const ALREADY_RUNNING = 3;
/** After a second Ctrl-C, as a shell reports SIGINT. */
const INTERRUPTED = 130;
/** Ctrl-C under npm arrives twice, from the terminal and forwarded by npm, within milliseconds: that is one. */
const REPEAT_MS = 500;

const say = (line: string): void => {
  process.stdout.write(`${line}\n`);
};

/** Runs until a signal; sets the exit status of the process. */
export async function start(args: readonly string[] = process.argv.slice(2)): Promise<void> {
  const began = performance.now();
  const httpPort = readPort(args);
  if (httpPort === undefined) return;
  const dataDir = process.env["REVEILLE_DATA_DIR"] || ".reveille";
  const interruption = listenForSignals();
  let stack: Stack;
  try {
    stack = await startStack({
      dataDir,
      httpPort,
      natsUrl: process.env["NATS_URL"],
      databaseUrl: process.env["DATABASE_URL"],
      natsPort: await freePort(NATS_PORT),
      say: (line) => say(`  ${line}`),
    });
  } catch (error) {
    say(`\n${(error as Error).message}`);
    // Signal handlers would not keep the process alive, but a half-started client might.
    process.exit(error instanceof DataDirBusy ? ALREADY_RUNNING : FAILED);
  }
  interruption.abandon = () => stack.abandon();
  printAddresses(stack.endpoints, stack.dataDir.root, performance.now() - began);
  const stopProgress = await showProgress(stack.endpoints);
  // Whoever stops early does not wait for the sample.
  await Promise.race([interruption.asked, seedIfNew(stack).then(() => interruption.asked)]);
  await stopOrderly(stack, stopProgress);
}

async function seedIfNew({ dataDir, endpoints }: Stack): Promise<void> {
  if (!dataDir.isNew || process.env["REVEILLE_SAMPLE"] === "0") return;
  try {
    await seedSample(endpoints);
  } catch (error) {
    say(`The sample company was not made: ${(error as Error).message}`);
  }
}

function readPort(args: readonly string[]): number | undefined {
  const { values } = parseArgs({ args: [...args], options: { port: { type: "string" } } });
  const text = values.port ?? (process.env["REVEILLE_HTTP_PORT"] || "3100");
  const port = Number(text);
  if (Number.isInteger(port) && port >= 0 && port <= 65_535) return port;
  say(`REVEILLE_HTTP_PORT must be a port number from 0 to 65535, not ${JSON.stringify(text)}`);
  process.exitCode = BAD_USAGE;
  return undefined;
}

/** What a person asked for by signals, from the moment the process started. */
interface Interruption {
  readonly asked: Promise<void>;
  /** What a second Ctrl-C ends at once; nothing before there is a stack. */
  abandon: () => void;
}

function listenForSignals(): Interruption {
  let firstAt: number | undefined;
  const interruption = { abandon: () => {} };
  const asked = new Promise<void>((resolve) => {
    const onSignal = (): void => {
      const now = performance.now();
      if (firstAt === undefined) {
        firstAt = now;
        say("\nStopping; runs that are at work get some seconds. Ctrl-C again stops at once.");
        resolve();
      } else if (now - firstAt > REPEAT_MS) {
        say("Stopping at once.");
        interruption.abandon();
        process.exit(INTERRUPTED);
      }
    };
    process.on("SIGINT", onSignal);
    process.on("SIGTERM", onSignal);
  });
  return Object.assign(interruption, { asked });
}

async function stopOrderly(stack: Stack, stopProgress: () => Promise<void>): Promise<void> {
  try {
    await stopProgress();
    await stack.stop();
    say("Stopped. Start again to go on where it was.");
  } catch (error) {
    say(`Stopped with errors: ${(error as Error).message}`);
    process.exitCode = FAILED;
  }
  // Whatever still holds the event loop must not keep a stopped system's process alive.
  process.exit();
}

function printAddresses(endpoints: Endpoints, dataDir: string, tookMs: number): void {
  const seconds = (tookMs / 1000).toFixed(1);
  const masked = endpoints.databaseUrl.replace(/:[^:@/]+@/, ":***@");
  say(`
Reveille is up (${seconds} s).

  Console and API  ${endpoints.http}
  NATS             ${endpoints.nats}
  Postgres         ${masked}
  Data             ${dataDir} (addresses and passwords: endpoints.json)

Wake an agent, and follow a run, with any NATS client:

  nats -s ${endpoints.nats} pub 'rv.<company>.agent.<agent>.wake' '{"reason":"hello"}'
  nats -s ${endpoints.nats} sub 'rv.<company>.run.<run>.log.>'

Or with the command line: npx reveille agents, npx reveille wake <agent> --follow

Ctrl-C stops everything; the data stays.
`);
}
