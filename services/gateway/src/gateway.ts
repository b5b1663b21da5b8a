/** Wires the gateway's parts and starts them; the one place where they meet. */
import { connectBus } from "@reveille/shared/nats/bus";
import type { NatsBus } from "@reveille/shared/nats/bus";
import { readConnection } from "@reveille/shared/nats/connection-metrics";
import { StoredPublisher } from "@reveille/shared/nats/stored-publisher";
import { checkSchema } from "@reveille/shared/postgres/migrate";
import { createDatabase, createPool } from "@reveille/shared/postgres/pool";
import type { Pool } from "@reveille/shared/postgres/pool";
import { inboxPrefixes } from "@reveille/shared/protocol/inboxes";
import { createSubjects } from "@reveille/shared/protocol/subjects";
import { topologyNames } from "@reveille/shared/protocol/topology";
import { systemClock } from "@reveille/shared/runtime/clock";
import { createFailpoint } from "@reveille/shared/runtime/failpoint";
import { startHealthServer } from "@reveille/shared/runtime/health-server";
import type { Logger } from "@reveille/shared/runtime/log";
import { createMetrics } from "@reveille/shared/runtime/metrics";
import { openTracing } from "@reveille/shared/runtime/open-tracing";
import { tracingConfig } from "@reveille/shared/runtime/tracing-config";
import type { Started } from "@reveille/shared/runtime/main";
import { createActivityLog } from "./activity.js";
import { createAdapters } from "./adapters.js";
import { createAdmissions } from "./admissions.js";
import { createAuthenticate } from "./auth.js";
import { gatewayDrainMs } from "./config.js";
import type { GatewayConfig } from "./config.js";
import type { Context } from "./context.js";
import { readConsole } from "./console-files.js";
import { eventsSocket } from "./events-socket.js";
import { pingServers } from "./health.js";
import { createHttp } from "./http.js";
import { createLiveEvents } from "./live-events.js";
import { createLogFollower } from "./log-follower.js";
import { createLogReader } from "./log-reader.js";
import { logSocket } from "./log-socket.js";
import { transcriptSocket } from "./transcript-socket.js";
import { createMailboxCommands } from "./mailbox-commands.js";
import { createMailboxGauge } from "./mailbox-gauge.js";
import { createOpenStreams } from "./open-streams.js";
import { createOwedWakes } from "./owed-wakes.js";
import { allRoutes } from "./routes.js";
import { createRunnerFacts } from "./runner-facts.js";
import { createRunnerPools, warnOfFormerPools } from "./runner-pools.js";
import { serveSockets } from "./socket-server.js";
import { registerSystemGauges } from "./system-gauges.js";
import { createUndecidedWakes } from "./undecided-wakes.js";
import { createWakeSubmitter } from "./wake-submitter.js";

/** Below the 2 s in which somebody without an answer should know at least that. */
const connectionWaitMs = 1_500;

/**
 * Starts to serve. `ready.http` is the base URL.
 * @throws RuntimeError when NATS or Postgres is away, or the schema is not this version's.
 */
export async function startGateway(config: GatewayConfig, logger: Logger): Promise<Started> {
  const pool = createPool({
    url: config.DATABASE_URL,
    name: "reveille-gateway",
    size: config.REVEILLE_DATABASE_POOL,
    // Requests hold a connection for milliseconds: who got none by then does better to ask again, perhaps elsewhere.
    waitMs: connectionWaitMs,
    onError: (error) => logger.warn({ err: error }, "a database connection broke"),
  });
  let bus: NatsBus | undefined;
  try {
    await checkSchema(pool);
    bus = await connectBus({
      url: config.NATS_URL,
      name: "reveille-gateway",
      inboxPrefix: inboxPrefixes.gateway,
      credsFile: config.NATS_CREDS_FILE,
      nkeyFile: config.NATS_NKEY_FILE,
      onError: (error) => logger.warn({ err: error }, "NATS reported an error"),
    });
    return await serve(config, logger, pool, bus);
  } catch (error) {
    await bus?.close();
    await pool.end();
    throw error;
  }
}

/** The parts that the routes share, and their gauges. */
async function createContext(
  config: GatewayConfig,
  logger: Logger,
  pool: Pool,
  bus: NatsBus,
): Promise<Context> {
  const subjects = createSubjects(config.REVEILLE_SUBJECT_PREFIX);
  const mode = config.REVEILLE_DEPLOYMENT_MODE;
  const publisher = new StoredPublisher(bus);
  const metrics = createMetrics("gateway");
  const gauge = createMailboxGauge(bus, topologyNames(subjects.prefix).mailbox, logger);
  const live = createLiveEvents(bus, subjects, logger);
  const failpoint = createFailpoint(config.REVEILLE_FAILPOINT);
  const owed = createOwedWakes(pool, publisher, subjects, failpoint, logger);
  const commands = createMailboxCommands(publisher, subjects);
  const runners = createRunnerFacts(bus, topologyNames(subjects.prefix).runnerLeases, logger);
  const clock = systemClock;
  const undecided = createUndecidedWakes({ bus, publisher, subjects, pool, clock, logger });
  // Before the first wake: what is sent now belongs to the generation that is in force now.
  await undecided.look();
  const tracing = await openTracing("gateway", tracingConfig(config), logger);
  const wakes = createWakeSubmitter({
    bus,
    subjects,
    publisher,
    pool,
    gauge,
    undecided,
    clock,
    tracing,
    logger,
  });
  registerWakeGauges({ metrics, undecided, wakes });
  metrics.read("reveille_mailbox_fill_ratio", () => gauge.fill);
  readConnection(metrics, bus, [publisher]);
  const runnerPools = createRunnerPools(config.REVEILLE_RUNNER_POOLS, runners, pool);
  const { mailbox } = topologyNames(subjects.prefix);
  registerSystemGauges({ metrics, pool, bus, mailbox, runnerPools, clock, logger });
  return {
    bus,
    pool,
    db: createDatabase(pool),
    subjects,
    logger,
    partitionCount: await partitionCount(pool),
    mode,
    authenticate: createAuthenticate({ pool, mode, tokenSecret: config.keys.tokenSecret }),
    activity: createActivityLog(bus, subjects),
    adapters: createAdapters(bus, subjects, runners),
    runnerPools,
    admissions: createAdmissions(pool, commands, failpoint, logger),
    live,
    logs: createLogReader({ bus, subjects }),
    follower: createLogFollower({ bus, subjects, pool, live }),
    streams: createOpenStreams(metrics),
    commands,
    metrics,
    tracing,
    failpoint,
    publisher,
    owed,
    secrets: {
      masterKey: config.keys.masterKey,
      strict: config.REVEILLE_SECRETS_STRICT === "1",
    },
    undecided,
    wakes,
  };
}

/** What this gateway has taken on and not seen decided. */
function registerWakeGauges({
  metrics,
  undecided,
  wakes,
}: Pick<Context, "metrics" | "undecided" | "wakes">): void {
  metrics.read("reveille_wakes_undecided", () => undecided.count);
  metrics.read("reveille_wakes_sent_again_total", () => undecided.sentAgain);
  metrics.read("reveille_wakes_untracked_total", () => undecided.untracked);
  metrics.read("reveille_wakes_waiting", () => wakes.waiting);
}

async function serve(
  config: GatewayConfig,
  logger: Logger,
  pool: Pool,
  bus: NatsBus,
): Promise<Started> {
  const context = await createContext(config, logger, pool, bus);
  const { authenticate, metrics, mode, owed, publisher, tracing, wakes } = context;
  const checkAnswers = config.REVEILLE_CHECK_ANSWERS === "1";
  const routes = allRoutes(context);
  const app = createHttp({
    routes,
    authenticate,
    mode,
    console: await readConsole(),
    checkAnswers,
    logger,
    metrics,
    tracing,
  });
  const socket = serveSockets({
    server: app.server,
    routes: [eventsSocket(context), logSocket(context), transcriptSocket(context)],
    authenticate,
    mode,
    logger,
    metrics,
  });
  const http = await app.listen({
    host: config.REVEILLE_HTTP_HOST,
    port: config.REVEILLE_HTTP_PORT,
  });
  let draining = false;
  const health =
    config.REVEILLE_HEALTH_PORT === undefined
      ? null
      : await startHealthServer({
          host: config.REVEILLE_HEALTH_HOST,
          port: config.REVEILLE_HEALTH_PORT,
          ready: async () =>
            !draining && !Object.values(await pingServers(context)).includes(false),
          metrics: () => metrics.text(),
        });
  logger.info({ http, nats: bus.serverVersion }, "gateway listens");
  void warnOfFormerPools(context.runnerPools, logger);
  let stopped: Promise<void> | undefined;
  const stop = async (deadlineMs: number): Promise<void> => {
    draining = true;
    socket.close();
    context.streams.stop();
    // Requests that are being answered may end; at the deadline their connections are cut.
    const cut = setTimeout(() => app.server.closeAllConnections(), deadlineMs);
    await app.close();
    clearTimeout(cut);
    await health?.stop();
    await context.admissions.stop();
    await owed.stop();
    await context.undecided.stop();
    wakes.close();
    publisher.close();
    await tracing.close();
    await bus.close();
    await pool.end();
  };
  return { ready: { http }, stop: (deadlineMs = gatewayDrainMs) => (stopped ??= stop(deadlineMs)) };
}

async function partitionCount(pool: Pool): Promise<number> {
  const found = await pool.query<{ partition_count: number }>(
    "select partition_count from mailbox_state where id = 1",
  );
  const count = found.rows[0]?.partition_count;
  if (count === undefined) throw new Error("the database has no mailbox_state: run the migration");
  return count;
}
