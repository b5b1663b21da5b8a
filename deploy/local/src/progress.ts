// Owns what `npm start` shows while the system works: a timeline of runs and what they print, from the company events and log
// subjects that any client may read. Shows; decides nothing and stores nothing.
import { connectBus } from "@reveille/shared/nats/bus";
import type { BusMessage } from "@reveille/shared/nats/bus";
import { headers } from "@reveille/shared/protocol/headers";
import { createSubjects } from "@reveille/shared/protocol/subjects";
import { createConsole } from "./console-line.js";
import type { Endpoints } from "./endpoints.js";
import { createDirectory } from "./progress-names.js";
import { createRunOutput } from "./run-output.js";
import { createTimeline } from "./timeline.js";

/** Ends the display. Idempotent. */
export type StopProgress = () => Promise<void>;

/** What may wait to be shown; beyond it lines are dropped, because a console that lags by minutes shows nothing of use. */
const WAITING_MAX = 2_000;

/** Follows the system's events and prints a line for each that a person cares about, until stopped. */
export async function showProgress(
  { http, nats }: Endpoints,
  print: (line: string) => void = (line) => void process.stdout.write(`${line}\n`),
): Promise<StopProgress> {
  const subjects = createSubjects(process.env["REVEILLE_SUBJECT_PREFIX"] || "rv");
  const bus = await connectBus({
    url: nats,
    name: "reveille-progress",
    onError: (error) => print(`  (progress: ${error.message})`),
  });
  const directory = createDirectory(http);
  const colour = process.stdout.isTTY === true && !process.env["NO_COLOR"];
  const console = createConsole(print, colour);
  const output = createRunOutput(console);
  const timeline = createTimeline(directory, console, output);

  // One after another: looking a name up must not let a later line overtake an earlier one.
  let tail = Promise.resolve();
  let waiting = 0;
  let stopped = false;
  const inOrder = (show: () => Promise<void>): void => {
    if (stopped || waiting >= WAITING_MAX) return;
    waiting += 1;
    tail = tail.then(show).then(
      () => void (waiting -= 1),
      () => void (waiting -= 1), // a name that could not be looked up: the display is not the system
    );
  };
  bus.subscribe(subjects.events, (message) => {
    const frame = readFrame(message);
    if (frame) inOrder(() => timeline.event(frame.type, frame.createdAt, frame.payload));
  });
  bus.subscribe(subjects.logs, (message) => {
    const [, companyId, , runId, , stream] = message.subject.split(".");
    if (companyId && runId && stream && message.data.length > 0)
      inOrder(async () => {
        const { agent } = await directory.run(runId);
        const at = message.header(headers.logTime) ?? new Date().toISOString();
        output.take(at, agent, runId, stream, message.data);
      });
  });
  await bus.flush();
  return async () => {
    stopped = true;
    await bus.close();
  };
}

interface Frame {
  type: string;
  createdAt: string;
  payload: Record<string, unknown>;
}

/** What is no frame is not ours to complain about: anybody with credentials may publish nonsense. */
function readFrame(message: BusMessage): Frame | undefined {
  try {
    const value = JSON.parse(Buffer.from(message.data).toString()) as Partial<Frame>;
    return typeof value.type === "string" && typeof value.payload === "object" && value.payload
      ? { type: value.type, createdAt: value.createdAt ?? "", payload: value.payload }
      : undefined;
  } catch {
    return undefined;
  }
}
