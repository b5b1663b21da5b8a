// Owns the NATS and Postgres that a stack uses: embedded ones, or those that an address was given for. An embedded server that
// dies is started again on the same port, so that everybody who was connected finds it again.
import { setTimeout as delay } from "node:timers/promises";
import { getNatsServer } from "./nats-binary.js";
import { startNatsServer, type NatsServer } from "./nats-server.js";
import { startPostgres, type PostgresServer } from "./postgres-server.js";

/** What both kinds of server have in common. */
interface Server {
  readonly pid: number;
  readonly exited: Promise<void>;
  stop(): Promise<void>;
}

/** A server and its successors. `current` changes when it was started again. */
export interface KeptServer<S extends Server> {
  readonly current: S;
  readonly isRunning: boolean;
  stop(): Promise<void>;
}

export interface KeepOptions {
  readonly restart: boolean;
  readonly onStarted: (pid: number) => void;
  readonly onChanged: () => void;
  readonly say: (line: string) => void;
}

/** Between attempts to start a server again; its own start-up takes longer than this. */
const RESTART_PAUSE_MS = 500;

/** The usual port of NATS: taken for the embedded server if it is free, so that `nats sub` finds it without an option. */
export const NATS_PORT = 4222;

/** Finds the program (or fetches it) and keeps a server on `dir`. */
export async function keepNats(
  options: KeepOptions & {
    dir: string;
    port: number | undefined;
    prefix: string;
    pools?: readonly string[];
    admin?: { readonly password: string };
  },
): Promise<KeptServer<NatsServer>> {
  const { say } = options;
  const { bin, how } = await getNatsServer({ say });
  const { dir, prefix, pools = ["default"], admin } = options;
  const settings = { dir, bin, prefix, pools, ...(admin ? { admin } : {}) };
  const first = await startNatsServer(
    options.port === undefined ? settings : { ...settings, port: options.port },
  );
  say(`nats-server ${first.version} (${how}) on ${first.url}`);
  const again = { ...settings, port: first.port, monitorPort: first.monitorPort };
  return keep("nats-server", first, () => startNatsServer(again), options);
}

/** Keeps a Postgres on `dir`. */
export async function keepPostgres(
  options: KeepOptions & { dir: string; fsync: boolean },
): Promise<KeptServer<PostgresServer>> {
  const settings = { dir: options.dir, fsync: options.fsync };
  const first = await startPostgres(settings);
  options.say(`Postgres ${first.version} (${first.how}) on 127.0.0.1:${first.port}`);
  return keep("Postgres", first, () => startPostgres({ ...settings, port: first.port }), options);
}

function keep<S extends Server>(
  name: string,
  first: S,
  startAgain: () => Promise<S>,
  options: KeepOptions,
): KeptServer<S> {
  const state = { current: first, isRunning: true, stopping: false };
  const watch = async (): Promise<void> => {
    for (;;) {
      await state.current.exited;
      state.isRunning = false;
      options.onChanged();
      if (state.stopping || !options.restart) return;
      options.say(`${name} ended, starting it again`);
      const next = await untilStarted();
      if (!next) return;
      if (state.stopping) return next.stop(); // asked while it was on its way up
      state.current = next;
      state.isRunning = true;
      options.onStarted(next.pid);
      options.onChanged();
    }
  };
  const untilStarted = async (): Promise<S | undefined> => {
    while (!state.stopping) {
      await delay(RESTART_PAUSE_MS);
      try {
        return await startAgain();
      } catch (error) {
        options.say(`${name} does not start: ${(error as Error).message}`);
      }
    }
    return undefined;
  };
  options.onStarted(first.pid);
  const watching = watch();
  return {
    get current() {
      return state.current;
    },
    get isRunning() {
      return state.isRunning;
    },
    stop: async () => {
      state.stopping = true;
      await state.current.stop();
      await watching;
    },
  };
}

/** The NATS and the Postgres of one stack. */
export interface Servers {
  /** For clients without credentials. */
  readonly natsUrl: string;
  /** For one of our services, as its own user; an address that was given is everybody's. */
  readonly natsUrlOf: (user: string) => string;
  readonly databaseUrl: string;
  /** Of the embedded ones that run now. */
  pids(): { nats: number[]; postgres: number[] };
  stop(): Promise<void>;
}

export interface ServersOptions {
  readonly dir: string;
  readonly natsUrl: string | undefined;
  readonly databaseUrl: string | undefined;
  readonly natsPort: number | undefined;
  readonly prefix: string;
  readonly pools: readonly string[];
  readonly natsAdmin: { readonly password: string } | undefined;
  readonly fsync: boolean;
  readonly keeping: (name: "nats" | "postgres") => KeepOptions;
}

/** Starts what no address was given for, both at once: a cold start waits for the slower one only. */
export async function startServers(options: ServersOptions): Promise<Servers> {
  const { dir, prefix, pools, fsync, natsAdmin: admin } = options;
  const [nats, postgres] = await Promise.allSettled([
    options.natsUrl
      ? undefined
      : keepNats({
          ...options.keeping("nats"),
          dir,
          port: options.natsPort,
          prefix,
          pools,
          ...(admin ? { admin } : {}),
        }),
    options.databaseUrl ? undefined : keepPostgres({ ...options.keeping("postgres"), dir, fsync }),
  ]);
  const running = [nats, postgres].flatMap((one) =>
    one.status === "fulfilled" ? [one.value] : [],
  );
  const stop = async (): Promise<void> => {
    // One after the other: Postgres is the record and goes last.
    for (const server of running) await server?.stop();
  };
  if (nats.status === "rejected" || postgres.status === "rejected") {
    await stop();
    throw nats.status === "rejected" ? nats.reason : (postgres as PromiseRejectedResult).reason;
  }
  return {
    natsUrl: options.natsUrl ?? nats.value?.current.url ?? "",
    natsUrlOf: (user) => options.natsUrl ?? nats.value?.current.urlOf(user) ?? "",
    databaseUrl: options.databaseUrl ?? postgres.value?.current.url ?? "",
    pids: () => ({ nats: pidsOf(nats.value), postgres: pidsOf(postgres.value) }),
    stop,
  };
}

function pidsOf(server: KeptServer<Server> | undefined): number[] {
  return server?.isRunning ? [server.current.pid] : [];
}
