// Owns a nats-server of one test file, on ports of its own, with the faults that tests cause: killed, frozen, wiped, rolled back.
// It comes back on the same ports with the same passwords each time, as a restarted server does.
import { cpSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startNatsServer, type NatsServer } from "@reveille/local/nats-server";
import { signal } from "@reveille/local/process-identity";
import { natsServerBin } from "./provided.js";

/** One server, or several by commas. */
export interface NatsAddresses {
  /** Without credentials: the `local` user. */
  readonly url: string;
  /** As our services connect. */
  readonly serviceUrl: string;
}

export interface TestNats extends NatsAddresses {
  readonly monitorUrl: string;
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

export async function startTestNats(options: TestNatsOptions = {}): Promise<TestNats> {
  const dir = options.dir ?? mkdtempSync(join(tmpdir(), "reveille-nats-"));
  const store = join(dir, "nats", "store");
  const settings = { dir, bin: options.bin ?? natsServerBin(), prefix: options.prefix ?? "rv" };
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
    serviceUrl: server.serviceUrl,
    monitorUrl: server.monitorUrl,
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
