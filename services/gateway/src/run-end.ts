/** Waiting for the end of a run, for as long as somebody follows it. Asks Postgres when an event says so, and now and then, because events may get lost. */
import { sqlFailure } from "@reveille/shared/postgres/pool";
import type { Pool } from "@reveille/shared/postgres/pool";
import type { LiveEvents } from "./live-events.js";

export interface RunEnd {
  status: string;
  exitCode: number | null;
  signal: string | null;
  error: string | null;
  errorCode: string | null;
  finishedAt: Date | null;
}

/** 5 s: how late a lost event may be noticed; a thousand followers cost 200 look-ups by key a second. */
const askAnywayMs = 5_000;

/**
 * The run's end; null when the signal came first, or the run is gone. A database that is busy or away for a while is asked again: what is
 * followed lies in NATS. @throws what else the database throws.
 */
export async function untilRunEnds(
  { pool, live }: { pool: Pool; live: LiveEvents },
  run: { companyId: string; id: string },
  signal: AbortSignal,
): Promise<RunEnd | null> {
  let wake: () => void = () => undefined;
  let happened = false;
  const notify = (): void => {
    happened = true;
    wake();
  };
  const stop = live.listen(run.companyId, (frame) => {
    if (frame.type === "heartbeat.run.status" && frame.rest.includes(run.id)) notify();
  });
  signal.addEventListener("abort", notify);
  try {
    while (!signal.aborted) {
      happened = false;
      const found = await ended(pool, run.id).catch(unlessForGood);
      if (found !== "running") return found;
      if (happened) continue;
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, askAnywayMs);
        wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
    return null;
  } finally {
    stop();
    signal.removeEventListener("abort", notify);
  }
}

function unlessForGood(error: unknown): "running" {
  if (sqlFailure(error).kind !== "transient") throw error;
  return "running";
}

async function ended(pool: Pool, id: string): Promise<RunEnd | null | "running"> {
  const { rows } = await pool.query<RunEnd>(
    `select status, exit_code as "exitCode", signal, error, error_code as "errorCode",
       finished_at as "finishedAt" from heartbeat_runs where id = $1`,
    [id],
  );
  const row = rows[0];
  if (!row) return null;
  return row.status === "queued" || row.status === "running" ? "running" : row;
}
