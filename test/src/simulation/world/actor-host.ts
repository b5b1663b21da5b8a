// Owns one place for an actor host in the fleet: the shipped host on simulated connections, started, killed, stopped and started again as
// a supervisor would. Knows nothing of what hosts do.
import { startHost } from "@reveille/agent-actor/agent-actor";
import { readActorConfig } from "@reveille/agent-actor/config";
import type { ActorConfig } from "@reveille/agent-actor/config";
import { keepTopology } from "@reveille/agent-actor/shell/keeper";
import type { KeeperContext } from "@reveille/agent-actor/shell/keeper";
import { StoredPublisher } from "@reveille/shared/nats/stored-publisher";
import { defaultSizes } from "@reveille/shared/protocol/topology";
import { pause } from "@reveille/shared/runtime/clock";
import type { Started } from "@reveille/shared/runtime/main";
import { noTracing } from "@reveille/shared/runtime/tracing";
import { SimProcess } from "../machine/process.js";
import type { SimConnection } from "../nats/sim-nats.js";
import type { Ground } from "./ground.js";
import { loggerOf, sqlOf } from "./ground.js";
import { idOf, runnerLeaseTtlMs } from "./scenario.js";
import type { Scenario } from "./scenario.js";

/** As `openConnections` waits for the streams. */
const topologyPollMs = 500;
/** A supervisor's pause before it starts again what could not start. */
const restartMs = 1_000;

export class ActorHost {
  readonly #ground: Ground;
  readonly #place: number;
  #lives = 0;
  #process: SimProcess | null = null;
  #started: Started | null = null;

  constructor(ground: Ground, place: number) {
    this.#ground = ground;
    this.#place = place;
  }

  /** Null between two lives. */
  get process(): SimProcess | null {
    return this.#process;
  }

  start(): void {
    const { loop, scenario } = this.#ground;
    this.#lives += 1;
    const process = new SimProcess(loop, `host-${this.#place}.${this.#lives}`);
    this.#process = process;
    this.#started = null;
    const hostId = idOf(scenario.seed, process.name);
    const logger = loggerOf(this.#ground, process);
    this.#open(process, hostId).then(
      (started) => {
        if (this.#process === process) this.#started = started;
      },
      (error: unknown) => {
        logger.error({ err: error }, "the host could not start");
        this.#again(process);
      },
    );
  }

  kill(): void {
    this.#process?.kill();
    this.#process = null;
  }

  /** As SIGTERM: hands over, then ends. */
  stop(): void {
    const process = this.#process;
    const started = this.#started;
    if (!process || !started) return this.kill();
    this.#process = null;
    started.stop().then(
      () => process.kill(),
      () => process.kill(),
    );
  }

  async #open(process: SimProcess, hostId: string): Promise<Started> {
    const ground = this.#ground;
    const { nats, subjects, names, scenario } = ground;
    const logger = loggerOf(ground, process);
    const config = configOf(scenario);
    const { clock } = process;
    const pool = sqlOf(ground, process, { size: config.REVEILLE_DATABASE_POOL });
    const leasePool = sqlOf(ground, process, { size: 1, statementTimeoutMs: 2_000 });
    const connection = nats.connect(process, { inboxPrefix: "_INBOX_actor" });
    const { bus, streams } = connection;
    const sizes = { ...defaultSizes, runnerLeaseTtlMs };
    const loss = { announced: false };
    const served = { pool, bus, streams, link: bus, clock, subjects };
    const keeper = { ...served, sizes, loss, hostId, logger };
    const buckets = [names.issueLocks, names.runnerLeases];
    await untilTopology(keeper, connection, buckets);
    const publisher = new StoredPublisher(bus, { clock });
    const connections = {
      subjects,
      names,
      clock,
      pool,
      leasePool,
      bus,
      streams,
      publisher,
      tracing: noTracing,
      issueLocks: connection.bucket(names.issueLocks),
      runnerLeases: connection.bucket(names.runnerLeases),
      keeper,
      close: async () => {
        publisher.close();
        await bus.close();
      },
    };
    return startHost(config, hostId, connections, logger);
  }

  #again(process: SimProcess): void {
    if (this.#process !== process) return;
    this.kill();
    this.#ground.loop.schedule(restartMs, () => {
      if (this.#process === null) this.start();
    });
  }
}

/** As `openConnections` does it. */
async function untilTopology(
  keeper: KeeperContext,
  connection: SimConnection,
  buckets: readonly string[],
): Promise<void> {
  for (;;) {
    await keepTopology(keeper);
    const there = await Promise.all(
      buckets.map((name) => connection.bucket(name).createdAtMs()),
    ).then(
      () => true,
      () => false,
    );
    if (there) return;
    await pause(keeper.clock, topologyPollMs);
  }
}

const configs = new Map<string, ActorConfig>();

function configOf({ batchMax, residentMax, residentIdleMs }: Scenario): ActorConfig {
  const key = `${batchMax} ${residentMax} ${residentIdleMs}`;
  const known = configs.get(key);
  if (known) return known;
  const config = readActorConfig({
    DATABASE_URL: "postgres://simulated",
    REVEILLE_BATCH_MAX: `${batchMax}`,
    REVEILLE_RESIDENT_MAX: `${residentMax}`,
    REVEILLE_RESIDENT_IDLE_MS: `${residentIdleMs}`,
    REVEILLE_RUNNER_LEASE_TTL_MS: `${runnerLeaseTtlMs}`,
  });
  configs.set(key, config);
  return config;
}
