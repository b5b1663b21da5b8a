// Owns a nats-server that runs on what `reveille nats-config` has written, in either mode, and connections as each of its users. What
// may be published and subscribed is asked of the server itself.
import { execFile, spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import {
  connect,
  credsAuthenticator,
  nkeyAuthenticator,
  type NatsConnection,
} from "@nats-io/transport-node";
import { end, exited } from "@reveille/local/child-exit";
import { freePort } from "@reveille/local/free-port";
import { connectBus } from "@reveille/shared/nats/bus";
import { inboxPrefixOf, userName, type Identity } from "@reveille/shared/nats/permissions";
import { ensureTopology } from "@reveille/shared/nats/topology-keeper";
import { createSubjects } from "@reveille/shared/protocol/subjects";
import { defaultSizes } from "@reveille/shared/protocol/topology";
import { natsServerBin } from "../harness/provided.js";
import { until } from "../harness/until.js";

export type Mode = "plain" | "operator";
export interface GeneratedServer {
  readonly url: string;
  /** The folder that the command has written. */
  readonly dir: string;
  /** A raw connection as one user, with its own inbox prefix. */
  connect(identity: Identity): Promise<NatsConnection>;
  /** The command line, on this folder's server. */
  command(...args: string[]): Promise<string>;
  /** Lets the server read its configuration again. */
  reload(): Promise<void>;
  stop(): Promise<void>;
}

const cli = fileURLToPath(new URL("../../../cli/dist/main.js", import.meta.url));
const run = promisify(execFile);
const command = async (...args: string[]): Promise<string> =>
  (await run(process.execPath, [cli, ...args])).stdout;

/** Writes an installation for these pools and companies, starts a server on it, and makes the topology as the keeper. */
export async function startGenerated(
  mode: Mode,
  pools: readonly string[],
  companies: readonly string[],
): Promise<GeneratedServer> {
  const dir = mkdtempSync(join(tmpdir(), `reveille-${mode}-`));
  const [port, http] = [await freePort(), await freePort()];
  const address = ["--listen", `127.0.0.1:${port}`, "--http", `127.0.0.1:${http}`];
  const people = ["--pools", pools.join(), "--companies", companies.join()];
  await command("nats-config", "--out", dir, "--mode", mode, ...address, ...people);
  const child = spawn(natsServerBin(), ["-c", join(dir, "nats-server.conf")], { stdio: "pipe" });
  let said = "";
  child.stderr.on("data", (text: Buffer) => (said += text.toString()));
  const monitored = (path: string) =>
    fetch(`http://127.0.0.1:${http}${path}`, { signal: AbortSignal.timeout(2_000) }).catch(
      () => undefined,
    );
  await until("the server is healthy", async () => (await monitored("/healthz"))?.ok, {
    describe: () => said,
  });
  const url = `nats://127.0.0.1:${port}`;
  const keeper = await connectBus({
    url,
    name: "keeper",
    inboxPrefix: inboxPrefixOf({ kind: "keeper" }),
    ...proofFile(mode, dir, { kind: "keeper" }),
  });
  await ensureTopology(keeper, createSubjects(), 1, 4, { ...defaultSizes, pools });
  await keeper.close();
  return {
    url,
    dir,
    command,
    connect: (identity) =>
      connect({
        servers: url,
        inboxPrefix: inboxPrefixOf(identity),
        authenticator: authenticatorOf(mode, dir, identity),
        reconnect: false,
      }),
    reload: async () => {
      const before = said.split("Reloaded server configuration").length;
      child.kill("SIGHUP");
      await until(
        "the configuration is read again",
        () => said.split("Reloaded server configuration").length > before,
      );
    },
    stop: async () => {
      await end(child, [{ signal: "SIGTERM", waitMs: 10_000 }]);
      await exited(child);
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

/** How a service of ours is told who it is. */
export const proofFile = (mode: Mode, dir: string, identity: Identity) =>
  mode === "plain"
    ? { nkeyFile: join(dir, `${userName(identity)}.nk`) }
    : { credsFile: join(dir, `${userName(identity)}.creds`) };

function authenticatorOf(mode: Mode, dir: string, identity: Identity) {
  const { nkeyFile, credsFile } = {
    nkeyFile: "",
    credsFile: "",
    ...proofFile(mode, dir, identity),
  };
  return mode === "plain"
    ? nkeyAuthenticator(new TextEncoder().encode(readFileSync(nkeyFile, "utf8").trim()))
    : credsAuthenticator(readFileSync(credsFile));
}

export type Action = "publish" | "subscribe";

/** Which of the subjects the server refuses to this connection. Publishing is real: what is listening gets an empty message. */
export async function refused(
  connection: NatsConnection,
  action: Action,
  subjects: readonly string[],
): Promise<string[]> {
  const found: string[] = [];
  if (action === "subscribe") {
    const subscriptions = subjects.map((subject) => {
      const subscription = connection.subscribe(subject, { callback: () => undefined });
      subscription.closed.then(
        (reason) => (reason ? found.push(subject) : undefined),
        () => found.push(subject),
      );
      return subscription;
    });
    // The server answers in order: what it refuses comes before the answer to the ping.
    await connection.flush();
    for (const subscription of subscriptions)
      if (!subscription.isClosed()) subscription.unsubscribe();
    return found;
  }
  const watching = watchViolations(connection, found);
  for (const subject of subjects) connection.publish(subject);
  await connection.flush();
  await watching.stop();
  return found;
}

function watchViolations(connection: NatsConnection, found: string[]): { stop(): Promise<void> } {
  const status = connection.status();
  const reading = (async () => {
    for await (const one of status)
      if (one.type === "error" && "subject" in one.error) found.push(String(one.error.subject));
  })();
  return {
    stop: async () => {
      (status as unknown as { stop(): void }).stop();
      await reading;
    },
  };
}
