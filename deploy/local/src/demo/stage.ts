// Owns what every scene of the demo has at hand: the running stack, one company of its own, agents on demand, and waiting that ends.
import { fileURLToPath } from "node:url";
import { getRow, postRow, textOf, type Row } from "../http-client.js";
import { eventually } from "../polling.js";
import type { Stack } from "../up.js";
import type { Checklist } from "./checklist.js";
import type { PublicClient } from "./public-client.js";
import type { Note, Witnesses } from "./witness.js";

const worker = fileURLToPath(new URL("../../../../examples/demo/worker.mjs", import.meta.url));
/** A run here takes one to four seconds; a lost one is found and repeated within some more. */
const RUN_TIMEOUT_MS = 25_000;
const OVER = ["succeeded", "failed", "cancelled", "timed_out"];

export interface Stage {
  readonly stack: Stack;
  readonly http: string;
  readonly companyId: string;
  readonly client: PublicClient;
  readonly witnesses: Witnesses;
  readonly list: Checklist;
  /** Says what comes next, between the lines of the timeline. */
  readonly say: (line: string) => void;
}

export interface AgentSettings {
  /** Lines it prints, five a second. */
  readonly steps?: number;
  /** It starts a grandchild that ignores SIGTERM. */
  readonly child?: boolean;
}

/** Creates an agent that runs examples/demo/worker.mjs; resolves to its id. */
export async function hire(
  { http, companyId, witnesses }: Stage,
  name: string,
  { steps = 5, child = false }: AgentSettings = {},
): Promise<string> {
  const created = await postRow(http, `/companies/${companyId}/agents`, {
    name,
    adapterType: "process",
    adapterConfig: {
      command: process.execPath,
      args: [worker],
      // Two seconds of grace: the demo's stubborn grandchild is not worth fifteen.
      graceSec: 2,
      timeoutSec: 60,
      env: {
        DEMO_NAME: name,
        DEMO_WITNESS: witnesses.folder,
        DEMO_STEPS: String(steps),
        ...(child ? { DEMO_CHILD: "1" } : {}),
      },
    },
  });
  return textOf(created, "id");
}

/** The run's row once its status is final. @throws Error naming the run after 25 s. */
export const ending = ({ http }: Stage, runId: string): Promise<Row> =>
  eventually(`the end of run ${runId}`, RUN_TIMEOUT_MS, async () => {
    const row = await getRow(http, `/heartbeat-runs/${runId}`);
    return OVER.includes(textOf(row, "status")) ? row : undefined;
  });

/** The first note of an attempt's start. @throws Error after `timeoutMs`. */
export const beginning = (
  { witnesses }: Stage,
  runId: string,
  attempt = 1,
  timeoutMs = RUN_TIMEOUT_MS,
): Promise<Note> =>
  eventually(`the start of run ${runId}, attempt ${attempt}`, timeoutMs, () =>
    witnesses.notes(runId).find((note) => note.event === "start" && note.attempt === attempt),
  );
