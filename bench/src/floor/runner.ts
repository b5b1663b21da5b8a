/**
 * The bare pipeline's runner process: pulls executions into its slots, publishes `started` to the mailbox,
 * waits for the go, acknowledges, runs (nothing, or one process in a group of its own with pipes),
 * publishes `finished`, waits for `committed`, frees the slot.
 */
import { spawn } from "node:child_process";
import { createHash, randomUUID } from "node:crypto";
import { jetstream } from "@nats-io/jetstream";
import type { JsMsg } from "@nats-io/jetstream";
import { nowMicros, type Micros } from "./clock.js";
import { connectNats, createPublisher } from "./connections.js";
import { childOf, type ServerUrls } from "./process.js";
import {
  decode,
  encode,
  names,
  poolConsumer,
  subjects,
  type AnswerMessage,
  type ExecutionMessage,
  type FinishedMessage,
  type StartedMessage,
} from "./settings.js";

export interface RunnerInput extends ServerUrls {
  slots: number;
  /** Program and arguments; empty: nothing is started. */
  command: readonly string[];
}
/** When each go arrived, in order. Sent when the parent sends anything. */
export interface RunnerResult {
  goes: Micros[];
}

const parent = childOf<RunnerInput>();
const { natsUrl, slots, command } = await parent.input;
const connection = await connectNats(natsUrl, "floor-runner");
const publisher = createPublisher(connection, 1_024);
const incarnation = randomUUID();
const answers = new Map<string, (answer: AnswerMessage["answer"]) => void>();
const goes: Micros[] = [];
const waiting: (() => void)[] = [];
let free = slots;

connection.subscribe(subjects.answer(incarnation), {
  callback: (error, message) => {
    if (error) return;
    const { claimId, answer } = decode<AnswerMessage>(message.data);
    if (answer === "go") goes.push(nowMicros());
    const heard = answers.get(claimId);
    answers.delete(claimId);
    heard?.(answer);
  },
});
parent.onInput(() => parent.result({ goes } satisfies RunnerResult));
const consumer = await jetstream(connection).consumers.get(names.exec, poolConsumer);
const messages = await consumer.consume({ max_messages: slots, expires: 30_000 });
await connection.flush();
parent.ready();
for await (const message of messages) {
  if (free === 0) await new Promise<void>((go) => waiting.push(go));
  free -= 1;
  run(message)
    .catch(parent.fail)
    .finally(() => {
      free += 1;
      waiting.shift()?.();
    });
}

async function run(message: JsMsg): Promise<void> {
  const { companyId, agentId, runId, attempt } = decode<ExecutionMessage>(message.data);
  const claimId = randomUUID();
  const started: StartedMessage = { runId, attempt, claimId, incarnation, runnerId: "floor" };
  await report(subjects.mailbox(companyId, agentId, "run.started"), started);
  message.ack();
  const output = command.length > 0 ? await execute(command) : { code: 0, stdout: Buffer.alloc(0) };
  if (output.stdout.length > 0)
    connection.publish(subjects.stdout(companyId, runId), output.stdout);
  const finished: FinishedMessage = {
    ...started,
    exitCode: output.code,
    log: {
      bytes: output.stdout.length,
      sha256: createHash("sha256").update(output.stdout).digest("hex"),
    },
  };
  await report(subjects.mailbox(companyId, agentId, "run.finished"), finished);
}

/** Publishes a report and waits for its answer, which means that it is committed. */
async function report(subject: string, body: StartedMessage): Promise<void> {
  const answered = new Promise((resolve) => answers.set(body.claimId, resolve));
  publisher.publish(subject, encode(body)).catch(parent.fail);
  await answered;
}

function execute([program = "", ...args]: readonly string[]): Promise<{
  code: number;
  stdout: Buffer;
}> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { detached: true, stdio: ["pipe", "pipe", "pipe"] });
    const chunks: Buffer[] = [];
    child.stdin.end();
    child.stdout.on("data", (chunk: Buffer) => chunks.push(chunk));
    child.stderr.resume();
    child.once("error", reject);
    child.once("close", (code) => resolve({ code: code ?? -1, stdout: Buffer.concat(chunks) }));
  });
}
