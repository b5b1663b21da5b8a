// Owns one simulated stream: its messages in the order of their sequences, limits, duplicates, expectations, expiry. Knows no clients and
// no consumers; says through `onStored` and `onRemoved` what they must hear of.
import { matcher, transformer } from "./subject-pattern.js";
import type { Matches } from "./subject-pattern.js";
import { apiErrors } from "./wire.js";

/** In the words of the JetStream API; only what Reveille sets. Times are nanoseconds. */
export interface StreamConfig {
  readonly name: string;
  readonly subjects: readonly string[];
  readonly retention: string;
  readonly discard: string;
  readonly subject_transform?: { readonly src: string; readonly dest: string };
  /** 0 or less: none. */
  readonly max_bytes?: number;
  readonly max_msgs_per_subject?: number;
  readonly discard_new_per_subject?: boolean;
  readonly max_age?: number;
  readonly duplicate_window?: number;
}
export interface StoredMsg {
  readonly seq: number;
  readonly subject: string;
  readonly data: Uint8Array;
  readonly headers: Readonly<Record<string, string>> | undefined;
  readonly timestampNs: bigint;
  readonly bytes: number;
}
export interface StoreResult {
  seq: number;
  duplicate: boolean;
}
/** Everything that a copy of the store's files has. */
export interface StreamSnapshot {
  readonly config: StreamConfig;
  readonly createdNs: bigint;
  readonly messages: readonly StoredMsg[];
  readonly firstSeq: number;
  readonly lastSeq: number;
  readonly seen: ReadonlyMap<string, { seq: number; atNs: bigint }>;
}

/** What the server's file store adds to a message: record header and checksum, and a length before headers. */
const recordBytes = { plain: 22 + 8, headers: 4 } as const;

export class SimStream {
  config: StreamConfig;
  readonly createdNs: bigint;
  #messages: StoredMsg[] = [];
  readonly #bySubject = new Map<string, StoredMsg[]>();
  readonly #seen = new Map<string, { seq: number; atNs: bigint }>();
  /** What a follower that lags behind still shows: the value before the last one, by subject. */
  readonly replaced = new Map<string, StoredMsg>();
  #matches: Matches[] = [];
  #transform: (subject: string) => string = (subject) => subject;
  #firstSeq = 0;
  #lastSeq = 0;
  #bytes = 0;
  /** The server looks for what is too old a few times a second; how much later than due, nanoseconds. */
  readonly #expiryLagNs: bigint;
  /** Takes in nothing more: as a full disk, or a limit that was reached. */
  full = false;

  constructor(config: StreamConfig, createdNs: bigint, expiryLagNs: bigint) {
    this.config = config;
    this.createdNs = createdNs;
    this.#expiryLagNs = expiryLagNs;
    this.configure(config);
  }

  /** Takes over another configuration; what is stored stays as it is. */
  configure(config: StreamConfig): void {
    this.config = config;
    this.#matches = config.subjects.map(matcher);
    const { subject_transform: transform } = config;
    this.#transform = transform ? transformer(transform.src, transform.dest) : (subject) => subject;
  }

  takes(subject: string): boolean {
    return this.#matches.some((matches) => matches(subject));
  }
  get messages(): readonly StoredMsg[] {
    return this.#messages;
  }
  get firstSeq(): number {
    return this.#messages[0]?.seq ?? this.#firstSeq;
  }
  get lastSeq(): number {
    return this.#lastSeq;
  }
  get bytes(): number {
    return this.#bytes;
  }

  /** @throws ApiError when an expectation or a limit refuses it. */
  store(
    published: string,
    data: Uint8Array,
    headers: Readonly<Record<string, string>> | undefined,
    nowNs: bigint,
  ): StoreResult {
    this.expire(nowNs);
    const subject = this.#transform(published);
    const id = headers?.["Nats-Msg-Id"];
    const seen = id === undefined ? undefined : this.#seenWithin(id, nowNs);
    if (seen !== undefined) return { seq: seen, duplicate: true };
    const expected = headers?.["Nats-Expected-Last-Subject-Sequence"];
    if (expected !== undefined) {
      const last = this.last(subject)?.seq ?? 0;
      if (Number(expected) !== last) throw apiErrors.wrongLastSequence(last);
    }
    const bytes =
      recordBytes.plain +
      subject.length +
      data.length +
      (headers ? recordBytes.headers + headerBytes(headers) : 0);
    this.#makeRoom(subject, bytes);
    const seq = this.#lastSeq + 1;
    const message = { seq, subject, data, headers, timestampNs: nowNs, bytes };
    this.#append(message);
    if (id !== undefined) this.#seen.set(id, { seq, atNs: nowNs });
    return { seq, duplicate: false };
  }

  /** The message at this sequence. */
  at(seq: number): StoredMsg | undefined {
    const message = this.#messages[this.lowerBound(seq)];
    return message?.seq === seq ? message : undefined;
  }
  /** The last one under a subject. */
  last(subject: string): StoredMsg | undefined {
    return this.#bySubject.get(subject)?.at(-1);
  }
  /** Index of the first message at or behind a sequence. */
  lowerBound(seq: number): number {
    let low = 0;
    let high = this.#messages.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#messages[middle]!.seq < seq) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  remove(seq: number): boolean {
    const index = this.lowerBound(seq);
    const message = this.#messages[index];
    if (message?.seq !== seq) return false;
    this.#messages.splice(index, 1);
    this.#forget(message);
    return true;
  }

  /** Removes what is below a sequence (all when there is none) under a filter; how many. */
  purge(filter: string, beforeSeq = Number.MAX_SAFE_INTEGER): number {
    const matches = matcher(filter);
    const kept: StoredMsg[] = [];
    const gone: StoredMsg[] = [];
    for (const message of this.#messages)
      (message.seq < beforeSeq && matches(message.subject) ? gone : kept).push(message);
    this.#messages = kept;
    for (const message of gone) this.#forget(message);
    return gone.length;
  }

  /** Removes what is older than `max_age`. */
  expire(nowNs: bigint): void {
    const age = this.config.max_age ?? 0;
    if (age <= 0) return;
    const oldest = nowNs - BigInt(age) - this.#expiryLagNs;
    while (this.#messages.length > 0 && this.#messages[0]!.timestampNs <= oldest)
      this.#forget(this.#messages.shift()!);
  }

  snapshot(): StreamSnapshot {
    return {
      config: this.config,
      createdNs: this.createdNs,
      messages: [...this.#messages],
      firstSeq: this.#firstSeq,
      lastSeq: this.#lastSeq,
      seen: new Map(this.#seen),
    };
  }
  static restore(snapshot: StreamSnapshot, expiryLagNs: bigint): SimStream {
    const stream = new SimStream(snapshot.config, snapshot.createdNs, expiryLagNs);
    for (const message of snapshot.messages) stream.#append(message);
    stream.#firstSeq = snapshot.firstSeq;
    stream.#lastSeq = snapshot.lastSeq;
    for (const [id, seen] of snapshot.seen) stream.#seen.set(id, seen);
    return stream;
  }

  #append(message: StoredMsg): void {
    this.#messages.push(message);
    const same = this.#bySubject.get(message.subject);
    if (same) same.push(message);
    else this.#bySubject.set(message.subject, [message]);
    this.#lastSeq = message.seq;
    this.#bytes += message.bytes;
  }

  /** Keeps indexes true for a message that is no more in the list. */
  #forget(message: StoredMsg): void {
    this.#bytes -= message.bytes;
    const same = this.#bySubject.get(message.subject)!;
    if (same.length === 1) this.#bySubject.delete(message.subject);
    else same.splice(same.indexOf(message), 1);
    // Of an emptied stream the server tells the sequence that comes next.
    if (this.#messages.length === 0) this.#firstSeq = this.#lastSeq + 1;
  }

  #makeRoom(subject: string, bytes: number): void {
    const { max_bytes: bytesMax = 0, max_msgs_per_subject: perSubject = 0 } = this.config;
    if (this.full) throw apiErrors.notStored("maximum bytes exceeded");
    const same = this.#bySubject.get(subject);
    const refuses = this.config.discard === "new";
    if (perSubject > 0 && same && same.length >= perSubject) {
      if (refuses && this.config.discard_new_per_subject)
        throw apiErrors.notStored("maximum messages per subject exceeded");
      this.replaced.set(subject, same[0]!);
      this.remove(same[0]!.seq);
    }
    if (bytesMax <= 0) return;
    if (refuses) {
      if (this.#bytes + bytes > bytesMax) throw apiErrors.notStored("maximum bytes exceeded");
      return;
    }
    while (this.#bytes + bytes > bytesMax && this.#messages.length > 0)
      this.#forget(this.#messages.shift()!);
  }

  #seenWithin(id: string, nowNs: bigint): number | undefined {
    const windowNs = BigInt(this.config.duplicate_window ?? 0);
    for (const [old, { atNs }] of this.#seen) {
      if (nowNs - atNs < windowNs) break;
      this.#seen.delete(old);
    }
    return this.#seen.get(id)?.seq;
  }
}

/** As the protocol writes them: a version line, a line each, an empty line. */
function headerBytes(headers: Readonly<Record<string, string>>): number {
  let bytes = "NATS/1.0\r\n\r\n".length;
  for (const [name, value] of Object.entries(headers)) bytes += name.length + value.length + 4;
  return bytes;
}
