// Owns a nats-server of one test file, on ports of its own, with the faults that tests cause: killed, frozen, wiped, rolled back.
// It comes back on the same ports with the same passwords each time, as a restarted server does.
import { cpSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ServiceName } from "@reveille/local/endpoints";
import { asUser } from "@reveille/local/nats-passwords";
import { startNatsServer, type NatsServer } from "@reveille/local/nats-server";
import { signal } from "@reveille/local/process-identity";
import { natsServerBin } from "./provided.js";

/** One server, or several by commas. */
export interface NatsAddresses {
  /** Without credentials: the `local` user. */
  readonly url: string;
  /** As somebody who may do everything: the test's own connection, and what it breaks. */
  readonly serviceUrl: string;
  /** As one of our services is connected: with its own credentials and permissions. */
  readonly urlOf: (user: string) => string;
}

/** Every user of a test's server has it, so that an address can be made into another user's. */
export const testPassword = "of-a-test";
/** Pools that have users on every test server. A runner of another pool connects as the administrator. */
export const testPools = ["default", "gpu", "large"];

export interface TestNats extends NatsAddresses {
  readonly monitorUrl: string;
  /** Everything that the server has written so far; refusals are among it. */
  log(): string;
  readonly pid: number;
  /** SIGKILL; resolves when the process is gone. */
  kill(): Promise<void>;
  /** Starts a killed or stopped server again. */
  start(): Promise<void>;
  /** SIGSTOP: connections stay open, nothing answers. */
  freeze(): void;
  thaw(): void;
  /** Stops, empties the store, starts: what a lost volume looks like. */
  wipe(): Promise<void>;
  /** Stops, copies the store, starts. */
  save(): Promise<SavedStore>;
  /** Stops, puts a saved store back, starts: what a restored volume looks like. */
  rollBack(saved: SavedStore): Promise<void>;
  /** Stops with SIGKILL, gives the store's folder to who damages it, starts. */
  damage(harm: (store: string) => void): Promise<void>;
  /** Ends it and removes its folder. Idempotent. */
  stop(): Promise<void>;
}

/** A copy of a store at one moment. */
export interface SavedStore {
  readonly folder: string;
}

/** `bin`: the program, for whoever runs outside of vitest; default the one that its global setup has found. */
export interface TestNatsOptions {
  prefix?: string;
  /** Path of the program; default: that of the global setup. */
  bin?: string;
  /** An existing folder, for example on a disk of its own; default: a new one, removed at the end. */
  dir?: string;
}

/** A test server's address, as another of its users; for links in between too. */
export function userUrl(url: string, user: string): string {
  const pool = /^runner-(.*)$/.exec(user)?.[1];
  return asUser(url, pool === undefined || testPools.includes(pool) ? user : "admin");
}

/** The environment of a service that finds a test's server at `url`, as its own user. */
export function serviceNats(
  url: string,
  name: ServiceName,
  pool = "default",
): Record<string, string> {
  if (name === "runner") return { NATS_URL: userUrl(url, `runner-${pool}`) };
  if (name === "gateway") return { NATS_URL: userUrl(url, name) };
  return { NATS_URL: userUrl(url, name), REVEILLE_KEEPER_NATS_URL: userUrl(url, "keeper") };
}

export async function startTestNats(options: TestNatsOptions = {}): Promise<TestNats> {
  const dir = options.dir ?? mkdtempSync(join(tmpdir(), "reveille-nats-"));
  const store = join(dir, "nats", "store");
  const settings = {
    dir,
    bin: options.bin ?? natsServerBin(),
    prefix: options.prefix ?? "rv",
    pools: testPools,
    admin: { password: testPassword },
  };
  let server: NatsServer = await startNatsServer(settings);
  const { port, monitorPort } = server;
  let saves = 0;

  const start = async (): Promise<void> => {
    server = await startNatsServer({ ...settings, port, monitorPort });
  };
  const replaceStore = async (replace: () => void): Promise<void> => {
    await server.stop();
    replace();
    await start();
  };
  return {
    url: server.url,
    serviceUrl: server.urlOf("admin"),
    urlOf: (user) => userUrl(server.urlOf("admin"), user),
    monitorUrl: server.monitorUrl,
    log: () => readFileSync(join(dir, "logs", "nats.log"), "utf8"),
    get pid() {
      return server.pid;
    },
    kill: async () => {
      signal(server.pid, "SIGKILL");
      await server.exited;
    },
    start,
    freeze: () => {
      signal(server.pid, "SIGSTOP");
    },
    thaw: () => {
      signal(server.pid, "SIGCONT");
    },
    wipe: () => replaceStore(() => rmSync(store, { recursive: true, force: true })),
    save: async () => {
      const folder = join(dir, `saved-${saves++}`);
      await replaceStore(() => cpSync(store, folder, { recursive: true }));
      return { folder };
    },
    rollBack: ({ folder }) =>
      replaceStore(() => {
        rmSync(store, { recursive: true, force: true });
        cpSync(folder, store, { recursive: true });
      }),
    damage: async (harm) => {
      signal(server.pid, "SIGKILL");
      await server.exited;
      harm(store);
      await start();
    },
    stop: async () => {
      signal(server.pid, "SIGCONT"); // a frozen process would sit out the polite part
      await server.stop();
      if (options.dir === undefined) rmSync(dir, { recursive: true, force: true });
    },
  };
}
