/**
 * Following one run to its end: its log as it is written, and its outcome from the company's events,
 * with the API asked now and then because events are told and not kept.
 */
import { setTimeout as delay } from "node:timers/promises";
import type { NatsBus } from "@reveille/shared/nats/bus";
import { followLog } from "@reveille/shared/nats/log-stream";
import type { Row } from "./api.js";
import type { Context } from "./context.js";
import { printLog } from "./log-printer.js";
import type { LogFilter } from "./log-printer.js";
import { readRun } from "./resolve.js";

export interface FollowTarget {
  companyId: string;
  runId: string;
}

const terminal = new Set(["succeeded", "failed", "cancelled", "timed_out"]);

/** True for a run whose status is final. */
export const isOver = (run: Row | undefined): run is Row =>
  run !== undefined && terminal.has(String(run["status"]));

/** 1 s: the events bring the news; this only catches what was told while nobody was connected. */
const pollMs = 1_000;

/** Prints the run's log until the run is over and its log is complete; resolves to the run's final row. */
export async function followRun(
  context: Context,
  target: FollowTarget,
  filter: LogFilter = {},
): Promise<Row> {
  const bus = await context.bus();
  const stopped = new AbortController();
  const over = untilOver(context, bus, target, stopped.signal);
  try {
    const chunks = followLog({ bus, subjects: context.subjects, ...target }, { over });
    await printLog(context.output, chunks, filter);
    return await over;
  } finally {
    stopped.abort();
  }
}

/** Waits for the end of a run without printing anything of it. */
export async function waitForRun(context: Context, target: FollowTarget): Promise<Row> {
  return untilOver(context, await context.bus(), target, new AbortController().signal);
}

/** The final row; rejects when the API does not answer, or when the signal says that nobody waits any more. */
async function untilOver(
  context: Context,
  bus: NatsBus,
  target: FollowTarget,
  signal: AbortSignal,
): Promise<Row> {
  let told: () => void = () => undefined;
  const subscription = bus.subscribe(
    context.subjects.companyEvents(target.companyId),
    (message) => {
      if (Buffer.from(message.data).includes(target.runId)) told();
    },
  );
  try {
    for (;;) {
      const news = new Promise<void>((resolve) => (told = resolve));
      const run = await readRun(context.api, target.runId);
      if (isOver(run)) return run;
      const tired = new AbortController();
      await Promise.race([
        news,
        delay(pollMs, undefined, { signal: AbortSignal.any([signal, tired.signal]) }).catch(
          () => undefined,
        ),
      ]);
      tired.abort();
      signal.throwIfAborted();
    }
  } finally {
    subscription.unsubscribe();
  }
}
