/**
 * The NATS and Postgres of one scenario: fresh, in a folder of their own, started by the launchers that
 * `npm start` uses. Floor and product run on the very same two processes, one after the other.
 */
import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { keepNats } from "@reveille/local/embedded-servers";
import { startPostgres } from "@reveille/local/postgres-server";
import { stoppable } from "./interruption.js";

export interface BenchServers {
  dir: string;
  /** A user that may do everything. */
  natsUrl: string;
  /** As one of the services. */
  natsUrlOf: (user: string) => string;
  /** What anybody gets: wakes and logs. */
  publicNatsUrl: string;
  monitorUrl: string;
  databaseUrl: string;
  postgresLog: string;
  versions: { nats: string; postgres: string };
  /** Stops both and removes the folder. */
  stop(): Promise<void>;
}

/** Of all users of a server that lives as long as a scenario, on loopback. */
const password = "of-a-bench";

/** Logs every statement with its client's name and without parameters, for `readStatements`. */
const statementLog = {
  log_statement: "all",
  log_line_prefix: "@%a@ ",
  log_parameter_max_length: "0",
};

export async function startBenchServers(
  options: { logStatements?: boolean } = {},
): Promise<BenchServers> {
  const cleanups: (() => Promise<void>)[] = [];
  let starting: Promise<Omit<BenchServers, "stop">> | undefined;
  const stop = stoppable(async () => {
    // What is still on its way up could not be stopped later.
    await Promise.allSettled([starting]);
    for (const cleanup of cleanups.toReversed()) await cleanup();
  });
  try {
    starting = start(cleanups, options.logStatements ? statementLog : {});
    return { ...(await starting), stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function start(
  cleanups: (() => Promise<void>)[],
  extraSettings: Readonly<Record<string, string>>,
): Promise<Omit<BenchServers, "stop">> {
  const dir = mkdtempSync(join(tmpdir(), "reveille-bench-"));
  cleanups.push(async () => rmSync(dir, { recursive: true, force: true }));
  // Passable, so that a Postgres that must not run as root can reach its own (closed) folder.
  chmodSync(dir, 0o711);
  const quiet = (): void => {};
  const nats = await keepNats({
    dir,
    port: undefined,
    prefix: "rv",
    restart: false,
    onStarted: quiet,
    onChanged: quiet,
    say: quiet,
    admin: { password },
  });
  cleanups.push(() => nats.stop());
  const postgresLog = join(dir, "logs", "postgres.log");
  const postgres = await startPostgres({ dir, logFile: postgresLog, extraSettings });
  cleanups.push(() => postgres.stop());
  const { urlOf: natsUrlOf, url: publicNatsUrl, monitorUrl, version } = nats.current;
  return {
    dir,
    natsUrl: natsUrlOf("admin"),
    natsUrlOf,
    publicNatsUrl,
    monitorUrl,
    databaseUrl: postgres.url,
    postgresLog,
    versions: { nats: version, postgres: postgres.version },
  };
}
