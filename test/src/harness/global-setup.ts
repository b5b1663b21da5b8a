// Owns what all system tests share: the program of nats-server, and one Postgres server on which every test file makes databases of its
// own. Never uses servers of the machine or of the environment.
import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { getNatsServer } from "@reveille/local/nats-binary";
import { startPostgres } from "@reveille/local/postgres-server";
import type { TestProject } from "vitest/node";
import type {} from "./provided.js";

/** Two files at once, each with some services of ten connections, and killed ones whose sessions linger. */
const CONNECTIONS_MAX = "300";

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const { bin } = await getNatsServer({ say: (line) => process.stderr.write(`${line}\n`) });
  const dir = mkdtempSync(join(tmpdir(), "reveille-postgres-"));
  chmodSync(dir, 0o711); // a server that runs as nobody has to reach its folder in there
  const postgres = await startPostgres({
    dir,
    fsync: false,
    extraSettings: { max_connections: CONNECTIONS_MAX },
  });
  project.provide("postgresUrl", postgres.url);
  project.provide("natsServerBin", bin);
  return async () => {
    await postgres.stop();
    rmSync(dir, { recursive: true, force: true });
  };
}
