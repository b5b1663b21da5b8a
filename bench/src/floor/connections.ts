/**
 * Connections of the bare pipeline to NATS and Postgres, with the settings that the product uses; and
 * publishing to JetStream with many acknowledgements in flight, the fast way: one reply subscription for
 * all, instead of the client's request per message.
 */
import { connect, headers } from "@nats-io/transport-node";
import type { MsgHdrs, NatsConnection } from "@nats-io/transport-node";
import pg from "pg";

/** Connects; user and password may stand in the URL. */
export async function connectNats(url: string, name: string): Promise<NatsConnection> {
  const { hostname, port, username, password } = new URL(url);
  return connect({
    servers: `${hostname}:${port || "4222"}`,
    name,
    ...(username ? { user: decodeURIComponent(username), pass: decodeURIComponent(password) } : {}),
    maxReconnectAttempts: -1,
    reconnectTimeWait: 250,
    pingInterval: 10_000,
    maxPingOut: 2,
    timeout: 10_000,
  });
}

/** A pool with the product's limits on statements, locks and idle transactions. */
export const connectPostgres = (url: string, name: string, size: number): pg.Pool =>
  new pg.Pool({
    connectionString: url,
    application_name: name,
    max: size,
    connectionTimeoutMillis: 5_000,
    idleTimeoutMillis: 60_000,
    statement_timeout: 10_000,
    lock_timeout: 3_334,
    idle_in_transaction_session_timeout: 2_000,
    query_timeout: 15_000,
    keepAlive: true,
    keepAliveInitialDelayMillis: 5_000,
  });

export interface Publisher {
  /** Resolves when JetStream has stored the message; waits first while too many are in flight. */
  publish(subject: string, data: Uint8Array, hdrs?: MsgHdrs): Promise<void>;
}

/** The header that admits one stored copy under a subject. */
export function onlyIfEmpty(): MsgHdrs {
  const built = headers();
  built.set("Nats-Expected-Last-Subject-Sequence", "0");
  return built;
}

/** Publishes with at most `inFlightMax` messages unacknowledged. A refused message rejects: a floor retries nothing. */
export function createPublisher(connection: NatsConnection, inFlightMax: number): Publisher {
  const inbox = `_INBOX.floor${process.pid}${process.hrtime.bigint().toString(36)}`;
  const pending = new Map<string, { resolve: () => void; reject: (error: Error) => void }>();
  const waiting: (() => void)[] = [];
  let next = 0;
  connection.subscribe(`${inbox}.*`, {
    callback: (error, message) => {
      if (error) return;
      const token = message.subject.slice(inbox.length + 1);
      const entry = pending.get(token);
      if (!entry) return;
      pending.delete(token);
      waiting.shift()?.();
      const text = message.string();
      // An acknowledgement is one short JSON object; only a refusal has this key.
      if (text.length === 0 || text.includes('"error"'))
        entry.reject(new Error(`JetStream refused: ${text || "no responders"}`));
      else entry.resolve();
    },
  });
  return {
    publish: async (subject, data, hdrs) => {
      while (pending.size >= inFlightMax) await new Promise<void>((go) => waiting.push(go));
      return new Promise<void>((resolve, reject) => {
        const token = (next++).toString(36);
        pending.set(token, { resolve, reject });
        connection.publish(subject, data, {
          reply: `${inbox}.${token}`,
          ...(hdrs ? { headers: hdrs } : {}),
        });
      });
    },
  };
}
