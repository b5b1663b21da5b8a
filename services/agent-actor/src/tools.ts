/** What the host and its batches work with. Each part stands alone; here they get to know each other. */
import { createFailpoint } from "@reveille/shared/runtime/failpoint";
import type { Failpoint } from "@reveille/shared/runtime/failpoint";
import type { Logger } from "@reveille/shared/runtime/log";
import { createMetrics } from "@reveille/shared/runtime/metrics";
import type { ActorConfig } from "./config.js";
import type { Effect } from "./core/decision.js";
import { createActivations } from "./shell/activations.js";
import { createCompanies } from "./shell/companies.js";
import type { Connections } from "./shell/connections.js";
import { createHostLease } from "./shell/host-lease.js";
import { IssueLocks } from "./shell/issue-locks.js";
import { createOwedReleases } from "./shell/owed-releases.js";
import type { OwedReleases } from "./shell/owed-releases.js";
import { Performer } from "./shell/perform.js";
import { createRunTokens } from "./shell/run-tokens.js";
import { createRunnerLeases } from "./shell/runner-leases.js";
import type { RunnerLeases } from "./shell/runner-leases.js";
import { createStreamGauge } from "./shell/stream-gauge.js";
import { createTally } from "./shell/tally.js";
import { createTraces } from "./shell/traces.js";
import { createTimers } from "./shell/timers.js";
import type { Timers } from "./shell/timers.js";

/** This version, as hosts and doctor show it. */
const version = "0.1.0";

export type Tools = Awaited<ReturnType<typeof assembleTools>>;

export async function assembleTools(
  config: ActorConfig,
  hostId: string,
  connections: Connections,
  logger: Logger,
) {
  const { clock, streams, pool, leasePool, subjects, names, publisher } = connections;
  const metrics = createMetrics("agent-actor");
  const lease = createHostLease(leasePool, {
    hostId,
    ttlMs: config.REVEILLE_HOST_LEASE_TTL_MS,
    version,
    clock,
    logger,
  });
  const trusted = (): boolean => lease.trusted;
  const nowMs = (): number => lease.nowMs();
  const locks = new IssueLocks(connections.issueLocks, pool);
  const leases = await createRunnerLeases(
    connections.runnerLeases,
    config.REVEILLE_RUNNER_LEASE_TTL_MS,
    clock,
  );
  const owed = createOwedReleases(pool, clock, logger);
  const timers = createTimers({ pool, clock, nowMs, publisher, subjects, logger, trusted });
  const failpoint = createFailpoint(config.REVEILLE_FAILPOINT);
  const parts = { locks, leases, owed, timers, failpoint };
  const perform = createPerform(config, connections, parts, logger);
  return {
    ...parts,
    lease,
    trusted,
    activations: createActivations({
      clock,
      idleMs: config.REVEILLE_RESIDENT_IDLE_MS,
      residentMax: config.REVEILLE_RESIDENT_MAX,
    }),
    companies: createCompanies(pool),
    metrics,
    tally: createTally(metrics),
    traces: createTraces(connections.tracing),
    streamGauge: createStreamGauge(streams, [names.mailbox, names.exec, names.logs], logger),
    perform,
    reconciling: { pool, publisher, subjects, locks, leases, perform, logger },
  };
}

interface Performing {
  locks: IssueLocks;
  leases: RunnerLeases;
  owed: OwedReleases;
  timers: Timers;
  failpoint: Failpoint;
}

/** What a committed decision asks for; a go makes its runner's lease one to look at. */
function createPerform(
  config: ActorConfig,
  connections: Connections,
  { locks, leases, owed, timers, failpoint }: Performing,
  logger: Logger,
): (effects: readonly Effect[]) => void {
  const { bus, clock, streams, pool, publisher, subjects, names, tracing } = connections;
  const performer = new Performer({
    bus,
    clock,
    streams,
    pool,
    publisher,
    subjects,
    names,
    locks,
    owed,
    tracing,
    tokens: createRunTokens(config.keys.tokenSecret, clock, logger),
    setTimer: (timer) => timers.set(timer),
    failpoint,
    logger,
  });
  return (effects) => {
    for (const effect of effects)
      if (effect.kind === "answer" && effect.answer === "go") leases.claimed(effect.incarnation);
    performer.perform(effects);
  };
}
