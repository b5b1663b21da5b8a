/**
 * What cannot be decoded or committed is kept with its reason, and the partition moves on. A bad wake is
 * no dead letter when somebody waits for its verdict: the verdict says what is wrong.
 */
import { createHash } from "node:crypto";
import { deriveId } from "@reveille/shared/protocol/ids";
import { parseStored } from "@reveille/shared/protocol/subjects";
import type { StoredMessage } from "@reveille/shared/nats/partition-reader";
import type { Verdict } from "@reveille/shared/protocol/wake";
import type { Effect } from "../core/decision.js";
import type { Json } from "../core/state.js";
import { verdictRow } from "./decide-chain.js";
import type { Read } from "./decode.js";
import type { RowSet } from "./row-set.js";

/** 64 KiB of a payload are kept: enough to see what it was. */
const payloadKeptBytes = 48 * 1024;

export function deadLetter(
  read: Extract<Read, { kind: "dead" }>,
  message: StoredMessage,
  partition: number,
): Json {
  const address = read.address ?? parseStored(message.subject);
  return {
    companyId: address?.companyId ?? null,
    agentId: address?.agentId ?? null,
    partition,
    generation: address?.generation ?? 0,
    streamSeq: message.seq,
    kind: address?.kind ?? message.subject.slice(0, 200),
    stage: read.reason.startsWith("commit: ") ? "commit" : "decode",
    reason: read.reason.slice(0, 2_000),
    payloadBase64: Buffer.from(message.data.subarray(0, payloadKeptBytes)).toString("base64"),
  };
}

/** A wake whose input is bad: the verdict is kept and sent; nothing else is written. */
export function invalidWake(
  read: Extract<Read, { kind: "invalid-wake" }>,
  message: StoredMessage,
  rows: RowSet,
  effects: Effect[],
): void {
  const { delivery } = read;
  // The bytes take part: the same wake id may come again with good content and must not meet this verdict.
  const content = createHash("sha256").update(message.data).digest("hex");
  const wakeId = deriveId(
    "invalid-wake",
    delivery.companyId,
    delivery.agentId,
    delivery.idSeed,
    content,
  );
  const verdict: Verdict = {
    outcome: "rejected",
    wakeId: read.wakeId ?? wakeId,
    reason: "invalid",
    details: { issues: read.issues },
  };
  rows.add(verdictRow(delivery, { ...verdict, wakeId }));
  if (delivery.replyTo !== null)
    effects.push({
      kind: "reply",
      subject: delivery.replyTo,
      encoding: delivery.encoding,
      verdict,
    });
}
