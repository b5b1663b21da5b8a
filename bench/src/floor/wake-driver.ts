/**
 * Publishes wakes from a process of its own, as anybody with a NATS client would: JSON on an agent's public
 * subject. `burst`: all of them as fast as JetStream takes them. `paced`: one at a time, each after the process
 * that the last one started has printed its own time of start and a pause has passed. Serves floor and
 * product alike.
 */
import { setTimeout as delay } from "node:timers/promises";
import { clockDriftMs, nowMicros, parseDate, type Micros } from "./clock.js";
import { connectNats, createPublisher } from "./connections.js";
import { childOf } from "./process.js";
import { encode } from "./settings.js";

export interface DriverInput {
  natsUrl: string;
  prefix: string;
  companyId: string;
  agentIds: readonly string[];
  /** Wakes in all; agents take turns. */
  count: number;
  /** Ids and task keys begin with this: equal scopes would coalesce. */
  label: string;
  mode: "burst" | "paced";
  /** One for each wake: the wakes name them. */
  issueIds?: readonly string[];
  /** Unacknowledged wakes in `burst`. */
  inFlightMax?: number;
  /** Quiet time before each wake in `paced`: the lower bound of a random pause up to twice as long. */
  pauseMs?: number;
}
export interface BurstResult {
  firstAt: Micros;
  /** When the last wake was acknowledged. */
  lastAt: Micros;
}
export interface PacedResult {
  samples: { publishedAt: Micros; startedAt: Micros }[];
  clockDriftMs: number;
}

/** Longest wait for one paced wake's process. */
const answerTimeoutMs = 20_000;

const parent = childOf<DriverInput>();
const input = await parent.input;
const connection = await connectNats(input.natsUrl, "bench-driver");
const publisher = createPublisher(connection, input.inFlightMax ?? 512);
let printed: ((text: string) => void) | undefined;
if (input.mode === "paced") {
  connection.subscribe(`${input.prefix}.${input.companyId}.run.*.log.stdout`, {
    callback: (error, message) => {
      if (!error && message.data.length > 0) printed?.(message.string());
    },
  });
  await connection.flush();
}
parent.onInput(() => {
  (input.mode === "burst" ? burst() : paced()).then(parent.result, parent.fail);
});
parent.ready();

function publish(number: number): Promise<void> {
  const agent = input.agentIds[number % input.agentIds.length]!;
  const id = `${input.label}-${number}`;
  const wake = { id, reason: "bench", payload: { taskKey: id, issueId: input.issueIds?.[number] } };
  return publisher.publish(`${input.prefix}.${input.companyId}.agent.${agent}.wake`, encode(wake));
}

async function burst(): Promise<BurstResult> {
  const firstAt = nowMicros();
  let open = input.count;
  await new Promise<void>((resolve, reject) => {
    const fill = async (): Promise<void> => {
      for (let number = 0; number < input.count; number += 1) {
        if (number % 256 === 0) await new Promise((go) => setImmediate(go));
        publish(number).then(() => {
          open -= 1;
          if (open === 0) resolve();
        }, reject);
      }
    };
    fill().catch(reject);
  });
  return { firstAt, lastAt: nowMicros() };
}

async function paced(): Promise<PacedResult> {
  const samples: PacedResult["samples"] = [];
  const pauseMs = input.pauseMs ?? 40;
  for (let number = 0; number < input.count; number += 1) {
    await delay(pauseMs * (1 + Math.random()));
    const text = new Promise<string>((resolve, reject) => {
      const timer = setTimeout(
        () => reject(new Error(`wake ${number}: no process printed within ${answerTimeoutMs} ms`)),
        answerTimeoutMs,
      );
      printed = (line) => {
        clearTimeout(timer);
        resolve(line);
      };
    });
    const publishedAt = nowMicros();
    publish(number).catch(parent.fail);
    const startedAt = parseDate(await text);
    if (Number.isNaN(startedAt)) throw new Error(`wake ${number}: not a time: ${await text}`);
    samples.push({ publishedAt, startedAt });
  }
  return { samples, clockDriftMs: clockDriftMs() };
}
