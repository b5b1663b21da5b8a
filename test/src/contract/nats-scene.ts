// Owns the ground of a contract script: a connection with its topology made, a book of what was observed, and words for outcomes that two
// servers can share (no timestamps, no generated names).
import { RuntimeError } from "@reveille/shared/errors";
import type { StoredMessage } from "@reveille/shared/nats/partition-reader";
import type { StoredPublisher } from "@reveille/shared/nats/stored-publisher";
import type { Peer, Side } from "./nats-side.js";

export const partitions = 8;
export const company = "11111111-1111-4111-8111-111111111111";
export const agents = ["2", "3", "4"].map((digit) =>
  "xxxxxxxx-xxxx-4xxx-8xxx-xxxxxxxxxxxx".replaceAll("x", digit),
);
export const runs = ["5", "6", "7"].map((digit) =>
  "xxxxxxxx-xxxx-4xxx-8xxx-xxxxxxxxxxxx".replaceAll("x", digit),
);
export const bytes = (text: string): Uint8Array => Buffer.from(text);
export const text = (data: Uint8Array): string => Buffer.from(data).toString();

export interface Scene extends Peer {
  side: Side;
  publish: StoredPublisher["publish"];
  ensure: (generation?: number) => ReturnType<Peer["streams"]["ensureTopology"]>;
  /** Writes down what became of it: its value, or the error's name and message. */
  note: (what: string, work: Promise<unknown>) => Promise<void>;
  say: (what: string, value: unknown) => void;
  seen: string[];
}

/** A connection, the topology, and a book. */
export async function openScene(side: Side): Promise<Scene> {
  const peer = await side.connect();
  const seen: string[] = [];
  const say = (what: string, value: unknown): void => {
    seen.push(`${what}: ${JSON.stringify(value)}`);
  };
  const publisher = peer.publisher({ attemptsMax: 3, ackTimeoutMs: 1_000 });
  const ensure = (generation = 1) =>
    peer.streams.ensureTopology(side.subjects, generation, partitions, side.sizes);
  await ensure();
  return {
    ...peer,
    side,
    publish: (subject, data, options) => publisher.publish(subject, data, options),
    ensure,
    say,
    note: async (what, work) => say(what, await outcome(work)),
    seen,
  };
}

async function outcome(work: Promise<unknown>): Promise<unknown> {
  try {
    return plain(await work);
  } catch (error) {
    if (error instanceof RuntimeError) return `${error.name}: ${error.message}`;
    // The classes of a client's own errors are its own business.
    return (error as Error).message;
  }
}

/** Without what differs between any two servers. */
function plain(value: unknown): unknown {
  if (typeof value !== "object" || value === null) return value;
  if (value instanceof Uint8Array) return text(value);
  if (Array.isArray(value)) return value.map(plain);
  return Object.fromEntries(
    Object.entries(value as Record<string, unknown>)
      .filter(([name, each]) => name !== "createdAtMs" && !String(each).startsWith("_INBOX"))
      .map(([name, each]) => [name, plain(each)]),
  );
}

export const shown = (message: StoredMessage): unknown => ({
  subject: message.subject,
  seq: message.seq,
  data: text(message.data),
  id: message.header("Nats-Msg-Id"),
});
