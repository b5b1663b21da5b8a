// Owns what must not last: while no fault is at work (and has not been for a while), no wake waits at a free issue. Looks now and then, at
// what waits alone.
import type { FaultInjection } from "./fault-injection.js";
import type { Ground } from "./ground.js";

/** After the last fault: a takeover, a runner's lease, two rounds of reconciling. */
const recoveryMs = 35_000;
/** A deferral may stand at a free issue for so long: a few hops and a batch (I4). */
const strandedMs = 3_000;

export class Patience {
  readonly #ground: Ground;
  readonly #injection: FaultInjection;
  /** Since when what waits could go on, by its id. */
  #freeSince = new Map<string, number>();

  constructor(ground: Ground, injection: FaultInjection) {
    this.#ground = ground;
    this.#injection = injection;
  }

  look(): void {
    const { store, loop, findings, scenario } = this.#ground;
    const calmSince = this.#injection.calmSinceMs;
    const recovering = scenario.faults.length > 0 && loop.nowMs < calmSince + recoveryMs;
    const before = this.#freeSince;
    this.#freeSince = new Map();
    if (recovering) return;
    const { agent_wakeup_requests: wakes, heartbeat_runs: runs } = store.tables;
    const waiting = [
      ...wakes.all("waiting"),
      ...runs.all("live").filter(({ phase }) => phase === "waiting"),
    ];
    for (const { id, issue_id } of waiting) {
      if (issue_id === null || runs.by("runs_issue_holder", issue_id).length > 0) continue;
      const since = before.get(id) ?? loop.nowMs;
      this.#freeSince.set(id, since);
      findings.hold(
        loop.nowMs - since <= strandedMs,
        "I4",
        () => `${id} has waited at the free issue ${issue_id} since ${since}`,
      );
    }
  }
}
