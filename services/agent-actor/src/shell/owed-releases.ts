/**
 * Clears the marks of locks that were passed on, many at a time. A mark that stays is redone: releasing
 * what is released changes nothing.
 */
import { guarded } from "@reveille/shared/postgres/pool";
import type { Sql } from "@reveille/shared/postgres/pool";
import type { Clock } from "@reveille/shared/runtime/clock";
import type { Logger } from "@reveille/shared/runtime/log";

export interface OwedReleases {
  settled(owner: "run" | "wake", id: string): void;
  /** Writes what is settled; also called every 200 ms. */
  flush(): Promise<void>;
  stop(): Promise<void>;
}

export function createOwedReleases(pool: Sql, clock: Clock, logger: Logger): OwedReleases {
  let runs: string[] = [];
  let wakes: string[] = [];
  const flush = async (): Promise<void> => {
    if (runs.length + wakes.length === 0) return;
    const settled = { runs, wakes };
    runs = [];
    wakes = [];
    try {
      await guarded("settle releases", () =>
        pool.query({
          name: "settle_releases",
          text: `with w as (update agent_wakeup_requests set owes_release = false where id = any($2::uuid[]))
            update heartbeat_runs set owes_release = false where id = any($1::uuid[])`,
          values: [settled.runs.toSorted(), settled.wakes.toSorted()],
        }),
      );
    } catch (error) {
      logger.warn({ err: error }, "marks of released locks stay for now");
    }
  };
  // 200 ms: a mark that lives longer costs a repeated release at a takeover, nothing else.
  const timer = clock.every(200, () => void flush());
  return {
    settled: (owner, id) => void (owner === "run" ? runs : wakes).push(id),
    flush,
    stop: async () => {
      timer.cancel();
      await flush();
    },
  };
}
