// Owns the configuration of the embedded nats-server: its listeners, its store, and which users it has. What a user may do is shared's
// to say. Pure text; writes no file and starts nothing.
import { authorizationBlock, quote } from "@reveille/shared/nats/server-users";
import { userName, type Identity } from "@reveille/shared/nats/permissions";

export interface NatsConfigInput {
  /** Folder of this server's files. */
  readonly dir: string;
  /** -1 lets the server choose. */
  readonly port: number;
  readonly monitorPort: number;
  readonly prefix: string;
  /** Runner pools, each with a user of its own. */
  readonly pools: readonly string[];
  /** Of every user but `local`, who has none. */
  readonly passwordOf: (user: string) => string;
  /** A user who may do everything, for tests and benches that look on and break things. No installation has it. */
  readonly withAdmin: boolean;
}

/** Everybody who has a password on an embedded server. */
export function embeddedIdentities(pools: readonly string[], withAdmin: boolean): Identity[] {
  return [
    { kind: "gateway" },
    { kind: "agent-actor" },
    { kind: "keeper" },
    ...pools.map((pool): Identity => ({ kind: "runner", pool })),
    { kind: "operator" },
    ...(withAdmin ? [{ kind: "admin" } as const] : []),
  ];
}

/**
 * The text of the configuration file. `sync_interval` 2 s is what a crash of the machine (not of a process) can lose of what
 * JetStream acknowledged; `always` doubles the latency of every store (measured: 0.45 to 0.89 ms).
 */
export function natsConfig(input: NatsConfigInput): string {
  const local: Identity = { kind: "local" };
  const users = embeddedIdentities(input.pools, input.withAdmin).map((identity) => ({
    identity,
    proof: { password: input.passwordOf(userName(identity)) },
  }));
  users.push({ identity: local, proof: { password: "" } });
  // The jetstream block has to be on several lines: on one line without commas the server refuses it.
  return `# Written at every start; changes are lost.
server_name: reveille-local
listen: ${quote(`127.0.0.1:${input.port}`)}
http: ${quote(`127.0.0.1:${input.monitorPort}`)}
ports_file_dir: ${quote(input.dir)}
max_payload: 1MB
# A client that was cut off without a word keeps its subscriptions and pulls until it is noticed: 15 s instead of 6 minutes.
ping_interval: "5s"
ping_max: 2
jetstream {
  store_dir: ${quote(`${input.dir}/store`)}
  sync_interval: 2s
}
${authorizationBlock(users, input.prefix, local)}`;
}
