/**
 * One connection to NATS, in our own terms: publish, subscribe, request, and the JetStream parts that
 * the sibling files build on. Reconnects for ever; says when it lost and found the server. Knows
 * nothing of agents.
 */
import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import {
  connect,
  credsAuthenticator,
  headers as createHeaders,
  nkeyAuthenticator,
} from "@nats-io/transport-node";
import type { Msg, MsgHdrs, NatsConnection } from "@nats-io/transport-node";
import { jetstream, jetstreamManager } from "@nats-io/jetstream";
import type { JetStreamClient, JetStreamManager } from "@nats-io/jetstream";
import { brokerUnavailable } from "../errors.js";
import { subjectMatches } from "../protocol/subject-match.js";
import { readServerList } from "./server-list.js";

export interface BusMessage {
  subject: string;
  data: Uint8Array;
  /** Reply subject of a core request; empty when there is none. */
  reply: string;
  /** Of what the server says itself, `Status` is its code ("503": nobody listens) and `Description` its words. */
  header(name: string): string | undefined;
}
export interface BusSubscription {
  unsubscribe(): void;
  /** Lets nothing more come, hands over what is on its way, and ends. Never rejects. */
  drain(): Promise<void>;
}
export type BusState = "connected" | "disconnected" | "closed";

/** Core NATS, as services use it; a port, which the simulation fills too. */
export interface Bus {
  readonly serverVersion: string;
  /** Fire and forget, dropped while disconnected beyond the client's buffer. */
  publish(
    subject: string,
    data: Uint8Array,
    headers?: Record<string, string>,
    reply?: string,
  ): void;
  /**
   * Calls the handler for each message, in order; what it throws goes to the connection's `onError`. A refused subscription (permissions) is reported to
   * `onDenied`, or to the connection's `onError` when there is none: unhandled it would end the process.
   */
  subscribe(
    subject: string,
    handler: (message: BusMessage) => void,
    options?: { queue?: string; onDenied?: (error: Error) => void },
  ): BusSubscription;
  request(subject: string, data: Uint8Array, timeoutMs: number): Promise<BusMessage>;
  /** A subject below this connection's own inbox prefix, for replies. */
  createInbox(): string;
  /** Resolves when the server has seen everything published so far. */
  flush(): Promise<void>;
  /** Calls the listener at every change; returns what ends that. */
  onState(listener: (state: BusState) => void): () => void;
  readonly connected: boolean;
  close(): Promise<void>;
}

/** A bus on a real connection. */
export interface NatsBus extends Bus {
  /** The raw client; only files of this folder use it. */
  readonly connection: NatsConnection;
  readonly js: JetStreamClient;
  readonly jsm: JetStreamManager;
}

export interface BusOptions {
  url: string;
  /** Shown by the server's monitoring. */
  name: string;
  /** Own inbox prefix: what keeps one service from reading another's replies. */
  inboxPrefix?: string;
  /** A user's JWT and seed in one file, as the operator mode has them. */
  credsFile?: string | undefined;
  /** A user's nkey seed (`SU...`), for servers whose configuration lists users by their public keys. */
  nkeyFile?: string | undefined;
  onError?: (error: Error) => void;
  /** How long the first connection may take. */
  connectTimeoutMs?: number;
}

/** Connects. @throws RuntimeError `BrokerUnavailable` when the server cannot be reached in time. */
export async function connectBus(options: BusOptions): Promise<NatsBus> {
  const connection = await open(options);
  const js = jetstream(connection);
  const jsm = await jetstreamManager(connection, { checkAPI: false });
  const onError = options.onError ?? (() => undefined);
  const inboxPrefix = options.inboxPrefix ?? "_INBOX";
  const listeners = new Set<(state: BusState) => void>();
  let connected = true;
  const tell = (state: BusState): void => {
    connected = state === "connected";
    for (const listener of listeners) listener(state);
  };
  void watchStatus(connection, tell, onError);
  return {
    connection,
    js,
    jsm,
    serverVersion: connection.info?.version ?? "unknown",
    publish: (subject, data, headers, reply) => {
      if (connection.isClosed()) return;
      connection.publish(subject, data, {
        ...(headers ? { headers: toHeaders(headers) } : {}),
        ...(reply ? { reply } : {}),
      });
    },
    subscribe: (subject, handler, subscribeOptions = {}) => {
      const subscription = connection.subscribe(subject, {
        ...(subscribeOptions.queue ? { queue: subscribeOptions.queue } : {}),
        callback: (error, message) => {
          if (error || !belongs(message.subject, subject, inboxPrefix)) return;
          // What a handler throws would end the client's reader, and with it every other subscription.
          try {
            handler(wrap(message));
          } catch (thrown) {
            onError(thrown as Error);
          }
        },
      });
      subscription.closed.then(
        (error) => (error ? (subscribeOptions.onDenied ?? onError)(error) : undefined),
        (error: Error) => (subscribeOptions.onDenied ?? onError)(error),
      );
      return {
        unsubscribe: () => subscription.unsubscribe(),
        drain: () => subscription.drain().catch(() => undefined),
      };
    },
    request: async (subject, data, timeoutMs) => {
      try {
        return wrap(await connection.request(subject, data, { timeout: timeoutMs }));
      } catch (error) {
        throw brokerUnavailable(`no answer on ${subject} within ${timeoutMs} ms`, error);
      }
    },
    createInbox: () => `${inboxPrefix}.${inboxToken()}`,
    flush: () => connection.flush(),
    onState: (listener) => {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    get connected() {
      return connected;
    },
    close: async () => {
      await connection.close();
    },
  };
}

async function open(options: BusOptions): Promise<NatsConnection> {
  const { servers, user, password, tls, shown } = readServerList(options.url);
  try {
    return await connect({
      servers,
      name: options.name,
      ...(user === undefined ? {} : { user, pass: password ?? "" }),
      ...authenticatorOf(options),
      ...(options.inboxPrefix ? { inboxPrefix: options.inboxPrefix } : {}),
      maxReconnectAttempts: -1,
      // 250 ms: a restarted server is found at once; more services than that would not fit one cluster.
      reconnectTimeWait: 250,
      // A connection that is cut without a word (half open) is given up after two unanswered pings, 6 to 9 s after the cut: 11 s before
      // a runner's guard ends its agents (20 s). Shorter, and a narrow link with a few seconds of data before the ping would look cut.
      pingInterval: 3_000,
      maxPingOut: 2,
      timeout: options.connectTimeoutMs ?? 10_000,
      ...(tls ? { tls: {} } : {}),
    });
  } catch (error) {
    throw brokerUnavailable(`cannot reach NATS at ${shown}: ${(error as Error).message}`, error);
  }
}

/** Files are read at the start alone: a reconnect must not depend on the disk. */
function authenticatorOf({ credsFile, nkeyFile }: BusOptions): {
  authenticator?: ReturnType<typeof credsAuthenticator>;
} {
  if (credsFile) return { authenticator: credsAuthenticator(readFileSync(credsFile)) };
  if (!nkeyFile) return {};
  const seed = readFileSync(nkeyFile, "utf8").trim();
  return { authenticator: nkeyAuthenticator(new TextEncoder().encode(seed)) };
}

async function watchStatus(
  connection: NatsConnection,
  tell: (state: BusState) => void,
  onError: (error: Error) => void,
): Promise<void> {
  for await (const status of connection.status()) {
    if (status.type === "disconnect") tell("disconnected");
    else if (status.type === "reconnect") tell("connected");
    else if (status.type === "error") onError(status.error);
    else if (status.type === "close") tell("closed");
  }
}

function wrap(message: Msg): BusMessage {
  return {
    subject: message.subject,
    data: message.data,
    reply: message.reply ?? "",
    header: (name) => message.headers?.get(name) || statusHeader(message, name),
  };
}

/** The client keeps the status line apart from the headers. */
function statusHeader({ headers }: Msg, name: string): string | undefined {
  if (!headers?.code) return undefined;
  if (name === "Status") return String(headers.code);
  return name === "Description" ? headers.description : undefined;
}

/** Our plain header records as the client's. */
export function toHeaders(record: Readonly<Record<string, string>>): MsgHdrs {
  const built = createHeaders();
  for (const [name, value] of Object.entries(record)) built.set(name, value);
  return built;
}

/**
 * Whether a message came under the subject that was subscribed. A consumer's deliveries come under the one that is stored, wherever
 * whoever made the consumer sends them: its permissions do not bound that. Into our own inbox we ask for them ourselves.
 */
function belongs(subject: string, pattern: string, inboxPrefix: string): boolean {
  return (
    subject === pattern || pattern.startsWith(`${inboxPrefix}.`) || subjectMatches(pattern, subject)
  );
}

let inboxCount = 0;
/** 96 random bits: whoever can make the server publish somewhere must not guess an inbox. */
const inboxSeed = randomBytes(12).toString("hex");
const inboxToken = (): string => `${inboxSeed}${(inboxCount++).toString(36)}`;
