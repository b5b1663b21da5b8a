/**
 * The NATS and Postgres of one scenario: fresh, in a folder of their own, started by the launchers that
 * `npm start` uses. Floor and product run on the very same two processes, one after the other.
 */
import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { keepNats } from "@reveille/local/embedded-servers";
import { startPostgres } from "@reveille/local/postgres-server";

export interface BenchServers {
  dir: string;
  /** A user that may do everything. */
  natsUrl: string;
  /** What anybody gets: wakes and logs. */
  publicNatsUrl: string;
  monitorUrl: string;
  databaseUrl: string;
  postgresLog: string;
  versions: { nats: string; postgres: string };
  /** Stops both and removes the folder. */
  stop(): Promise<void>;
}

/** Logs every statement with its client's name and without parameters, for `readStatements`. */
const statementLog = {
  log_statement: "all",
  log_line_prefix: "@%a@ ",
  log_parameter_max_length: "0",
};

export async function startBenchServers(
  options: { logStatements?: boolean } = {},
): Promise<BenchServers> {
  const dir = mkdtempSync(join(tmpdir(), "reveille-bench-"));
  // Passable, so that a Postgres that must not run as root can reach its own (closed) folder.
  chmodSync(dir, 0o711);
  const cleanups = [() => Promise.resolve(rmSync(dir, { recursive: true, force: true }))];
  const stop = async (): Promise<void> => {
    for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
  };
  try {
    const quiet = (): void => {};
    const nats = await keepNats({
      dir,
      port: undefined,
      prefix: "rv",
      restart: false,
      onStarted: quiet,
      onChanged: quiet,
      say: quiet,
    });
    cleanups.push(() => nats.stop());
    const postgresLog = join(dir, "logs", "postgres.log");
    const postgres = await startPostgres({
      dir,
      logFile: postgresLog,
      extraSettings: options.logStatements ? statementLog : {},
    });
    cleanups.push(() => postgres.stop());
    const { serviceUrl: natsUrl, url: publicNatsUrl, monitorUrl, version } = nats.current;
    return {
      dir,
      natsUrl,
      publicNatsUrl,
      monitorUrl,
      databaseUrl: postgres.url,
      postgresLog,
      versions: { nats: version, postgres: postgres.version },
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}
