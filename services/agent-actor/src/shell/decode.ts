/**
 * A stored message becomes a delivery, or the reason why it cannot. A bad wake is answered with a
 * verdict that names the field; what nobody waits for becomes a dead letter.
 */
import {
  agentCommandSchema,
  cancelSchema,
  configureSchema,
  costSchema,
  expiredSchema,
  grantSchema,
  resetSessionSchema,
  timerSchema,
} from "@reveille/shared/protocol/commands";
import { decodePayload } from "@reveille/shared/protocol/codec";
import type { Decoded } from "@reveille/shared/protocol/codec";
import type { Encoding } from "@reveille/shared/protocol/codec";
import {
  runFinishedSchema,
  runLostSchema,
  runProgressSchema,
  runReportedSchema,
  runStartedSchema,
} from "@reveille/shared/protocol/execution";
import { headers } from "@reveille/shared/protocol/headers";
import { parseStored } from "@reveille/shared/protocol/subjects";
import type { StoredAddress } from "@reveille/shared/protocol/subjects";
import { publicWakeSchema, wakeIdSchema, wakeRequestSchema } from "@reveille/shared/protocol/wake";
import type { StoredMessage } from "@reveille/shared/nats/partition-reader";
import { readTraceparent } from "@reveille/shared/runtime/tracing";
import type { ZodError, ZodType } from "zod";
import type { Delivery, MailboxMessage } from "../core/delivery.js";
import { serverAnswer } from "./server-answer.js";

export type Read =
  | { kind: "delivery"; delivery: Delivery }
  /** A wake that cannot be decided: the publisher is told. */
  | {
      kind: "invalid-wake";
      delivery: Omit<Delivery, "message">;
      wakeId: string | null;
      issues: InputIssue[];
    }
  | { kind: "dead"; address: StoredAddress | null; reason: string };
export interface InputIssue {
  path: string[];
  message: string;
}

const bodies: Record<Exclude<MailboxMessage["kind"], "wake">, ZodType> = {
  cancel: cancelSchema,
  pause: agentCommandSchema,
  resume: agentCommandSchema,
  terminate: agentCommandSchema,
  delete: agentCommandSchema,
  approve: agentCommandSchema,
  "cancel-all": agentCommandSchema,
  admit: agentCommandSchema,
  "reset-session": resetSessionSchema,
  cost: costSchema,
  configure: configureSchema,
  timer: timerSchema,
  grant: grantSchema,
  expired: expiredSchema,
  "run.started": runStartedSchema,
  "run.progress": runProgressSchema,
  "run.finished": runFinishedSchema,
  "run.lost": runLostSchema,
  "run.reported": runReportedSchema,
};

/**
 * Never throws. `cursorGeneration`: the generation in which its partition's cursor counts. A stream that was rolled
 * back still holds messages of older ones; their place is where they are met now, because a place is compared with
 * the cursor to tell whether it was applied.
 */
export function readMessage(stored: StoredMessage, cursorGeneration = 0): Read {
  const address = parseStored(stored.subject);
  if (!address)
    return { kind: "dead", address, reason: `not a mailbox subject: ${stored.subject}` };
  const base = {
    companyId: address.companyId,
    agentId: address.agentId,
    partition: address.partition,
    generation: Math.max(address.generation, cursorGeneration),
    sequence: stored.seq,
    atMs: Number(stored.timestampNs / 1_000_000n),
    // The timestamp too: a wiped stream counts its sequences anew before its generation has moved.
    idSeed: `${address.generation}:${stored.seq}:${stored.timestampNs}`,
    traceparent: readTraceparent(stored.header(headers.traceparent)),
    replyTo: allowedReply(address.kind, stored.header(headers.replyTo)),
    encoding: "json" as Encoding,
  };
  const payload = readPayload(stored.data);
  const isWake = address.kind === "wake" || address.kind === "request";
  if (!payload.ok) {
    if (!isWake) return { kind: "dead", address, reason: payload.reason };
    return {
      kind: "invalid-wake",
      delivery: base,
      wakeId: null,
      issues: [{ path: [], message: payload.reason }],
    };
  }
  const delivery = { ...base, encoding: payload.encoding };
  if (isWake) return readWakeMessage(address, delivery, payload.value);
  if (!Object.hasOwn(bodies, address.kind))
    return { kind: "dead", address, reason: `unknown kind ${address.kind}` };
  const kind = address.kind as keyof typeof bodies;
  const body = bodies[kind].safeParse(payload.value);
  if (!body.success) return { kind: "dead", address, reason: textOf(body.error) };
  return {
    kind: "delivery",
    delivery: { ...delivery, message: { kind, body: body.data } as MailboxMessage },
  };
}

function readPayload(data: Uint8Array): Decoded {
  const decoded = decodePayload(data);
  const answer = serverAnswer(data, decoded);
  return answer === null ? decoded : { ok: false, reason: answer };
}

function readWakeMessage(
  address: StoredAddress,
  delivery: Omit<Delivery, "message">,
  value: Record<string, unknown>,
): Read {
  const read =
    address.kind === "request"
      ? wakeRequestSchema.safeParse(value)
      : publicWakeSchema.safeParse(value);
  if (!read.success) {
    const wakeId = wakeIdSchema.safeParse(value["id"]);
    return {
      kind: "invalid-wake",
      delivery,
      wakeId: wakeId.success ? wakeId.data : null,
      issues: read.error.issues.map(({ path, message }) => ({ path: path.map(String), message })),
    };
  }
  // Nobody vouches for a direct wake: it comes from the company whose subject it was published on.
  const direct = {
    source: "automation",
    requestedByActorType: "system",
    requestedByActorId: address.companyId,
  } as const;
  const body =
    address.kind === "request" ? wakeRequestSchema.parse(value) : { ...direct, ...read.data };
  return { kind: "delivery", delivery: { ...delivery, message: { kind: "wake", body } } };
}

/**
 * An actor never publishes where a message tells it to, but below an inbox: a client's (`_INBOX.`), or,
 * for a request, a gateway's own prefix.
 */
function allowedReply(kind: string, subject: string | undefined): string | null {
  if (subject === undefined || subject.length > 255) return null;
  const inbox =
    kind === "request"
      ? /^_INBOX(_[A-Za-z0-9-]+)?(\.[A-Za-z0-9_-]+)+$/
      : /^_INBOX(\.[A-Za-z0-9_-]+)+$/;
  return inbox.test(subject) ? subject : null;
}

const textOf = (error: ZodError): string =>
  error.issues
    .map(({ path, message }) => `${path.join(".") || "payload"}: ${message}`)
    .join("; ")
    .slice(0, 2_000);
