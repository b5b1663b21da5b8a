// Owns the demo's connection to NATS, as the user without credentials: wakes with verdicts, logs live and replayed, events. Uses public
// subjects alone (docs/nats.md).
import { createHash } from "node:crypto";
import { connectBus } from "@reveille/shared/nats/bus";
import { replayLog } from "@reveille/shared/nats/log-stream";
import { StoredPublisher } from "@reveille/shared/nats/stored-publisher";
import { decodePayload, encodePayload, type Encoding } from "@reveille/shared/protocol/codec";
import { headers } from "@reveille/shared/protocol/headers";
import { newId } from "@reveille/shared/protocol/ids";
import { createSubjects } from "@reveille/shared/protocol/subjects";
import type { PublicWake, Verdict } from "@reveille/shared/protocol/wake";

/** One log message as it came on its subject. */
export interface Piece {
  readonly stream: string;
  readonly attempt: number;
  readonly bytes: Uint8Array;
  /** The header of the closing message. */
  readonly end: string | undefined;
}
export interface SeenEvent {
  readonly type: string;
  readonly payload: Readonly<Record<string, unknown>>;
}

export interface PublicClient {
  /** Publishes a wake and waits for the verdict, which comes in the wake's own encoding. */
  wake(
    agentId: string,
    wake: PublicWake,
    encoding?: Encoding,
  ): Promise<Verdict & { encoding: Encoding }>;
  /** What came live on a run's log subjects so far, in order. */
  live(runId: string): readonly Piece[];
  /** A run's log from JetStream. */
  replay(runId: string): Promise<Piece[]>;
  readonly events: readonly SeenEvent[];
  close(): Promise<void>;
}

/** A verdict takes milliseconds; a whole machine under load takes longer. */
const VERDICT_TIMEOUT_MS = 10_000;

/** Connects and follows everything of one company from now on. */
export async function connectClient(natsUrl: string, companyId: string): Promise<PublicClient> {
  const subjects = createSubjects(process.env["REVEILLE_SUBJECT_PREFIX"] || "rv");
  const bus = await connectBus({ url: natsUrl, name: "reveille-demo" });
  const publisher = new StoredPublisher(bus);
  const events: SeenEvent[] = [];
  const pieces = new Map<string, Piece[]>();
  bus.subscribe(subjects.companyEvents(companyId), (message) => {
    events.push(JSON.parse(Buffer.from(message.data).toString()) as SeenEvent);
  });
  bus.subscribe(`${subjects.prefix}.${companyId}.run.*.log.*`, (message) => {
    const [, , , runId = "", , stream = ""] = message.subject.split(".");
    const list = pieces.get(runId) ?? [];
    pieces.set(runId, list);
    list.push({
      stream,
      attempt: Number(message.header(headers.logAttempt)),
      bytes: message.data,
      end: message.header(headers.logEnd),
    });
  });
  await bus.flush();
  return {
    wake: async (agentId, wake, encoding = "json") => {
      const inbox = `_INBOX.${companyId}.${newId()}`;
      let timer: NodeJS.Timeout | undefined;
      const verdict = new Promise<Verdict & { encoding: Encoding }>((resolve, reject) => {
        timer = setTimeout(() => reject(new Error("no verdict in time")), VERDICT_TIMEOUT_MS);
        const subscription = bus.subscribe(inbox, (message) => {
          subscription.unsubscribe();
          const decoded = decodePayload(message.data);
          if (decoded.ok)
            resolve({ ...(decoded.value as unknown as Verdict), encoding: decoded.encoding });
          else reject(new Error(decoded.reason));
        });
      });
      try {
        await publisher.publish(
          subjects.mailbox(companyId, agentId, "wake"),
          encodePayload(wake, encoding),
          { headers: { [headers.replyTo]: inbox } },
        );
        return await verdict;
      } finally {
        clearTimeout(timer);
      }
    },
    live: (runId) => pieces.get(runId) ?? [],
    replay: async (runId) => {
      const found: Piece[] = [];
      for await (const { stream, attempt, bytes, end } of replayLog({
        bus,
        subjects,
        companyId,
        runId,
      }))
        found.push({ stream, attempt, bytes, end: end && `sha256=${end.sha256}` });
      return found;
    },
    events,
    close: async () => {
      publisher.close();
      await bus.close();
    },
  };
}

/** The bytes of an attempt, of one stream or of all in their order. */
export const bytesOf = (pieces: readonly Piece[], attempt: number, stream?: string): Buffer =>
  Buffer.concat(
    pieces
      .filter((piece) => piece.attempt === attempt && (!stream || piece.stream === stream))
      .map((piece) => piece.bytes),
  );

export const sha256 = (bytes: Uint8Array): string =>
  createHash("sha256").update(bytes).digest("hex");
