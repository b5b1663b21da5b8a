// Owns the configuration of the embedded nats-server: its listeners, its store, and what a client without credentials may do.
// Pure text; writes no file and starts nothing.
import { topologyNames } from "@reveille/shared/protocol/topology";

export interface NatsConfigInput {
  /** Folder of this server's files. */
  readonly dir: string;
  /** -1 lets the server choose. */
  readonly port: number;
  readonly monitorPort: number;
  readonly prefix: string;
  readonly servicePassword: string;
}

/** The user of our services. */
export const SERVICE_USER = "service";

/**
 * What a client without credentials may do (design, section 8): wake agents, follow logs and events live, replay logs from
 * JetStream. The JetStream subjects are those that `@nats-io/jetstream`, `nats` 2.x and the `nats` command use for reading one stream
 * with a consumer of their own; creating is allowed only in the form that carries the filter, below our prefix.
 */
export function localPermissions(prefix: string): { publish: string[]; subscribe: string[] } {
  const { logs } = topologyNames(prefix);
  return {
    publish: [
      `${prefix}.*.agent.*.wake`,
      "$JS.API.INFO",
      "$JS.API.STREAM.NAMES",
      `$JS.API.STREAM.INFO.${logs}`,
      `$JS.API.CONSUMER.CREATE.${logs}.*.${prefix}.>`,
      `$JS.API.CONSUMER.INFO.${logs}.>`,
      `$JS.API.CONSUMER.MSG.NEXT.${logs}.>`,
      `$JS.API.CONSUMER.DELETE.${logs}.>`,
      `$JS.API.DIRECT.GET.${logs}.>`,
      `$JS.ACK.${logs}.>`,
      "$JS.FC.>",
    ],
    subscribe: [`${prefix}.*.run.*.log.>`, `${prefix}.*.event.>`, "_INBOX.>"],
  };
}

/**
 * The text of the configuration file. `sync_interval` 2 s is what a crash of the machine (not of a process) can lose of what
 * JetStream acknowledged; `always` doubles the latency of every store (measured: 0.45 to 0.89 ms).
 */
export function natsConfig(input: NatsConfigInput): string {
  const local = localPermissions(input.prefix);
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
authorization {
  users: [
    { user: ${SERVICE_USER}, password: ${quote(input.servicePassword)} }
    {
      user: local
      password: ""
      permissions: {
        publish: { allow: ${list(local.publish)} }
        subscribe: { allow: ${list(local.subscribe)} }
      }
    }
  ]
}
no_auth_user: local
`;
}

/** A quoted string of the server's format, in which a backslash escapes as in JSON. */
function quote(text: string): string {
  return JSON.stringify(text);
}

function list(subjects: readonly string[]): string {
  return `[${subjects.map(quote).join(", ")}]`;
}
