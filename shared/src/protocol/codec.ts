/**
 * Bytes <-> maps. A payload is a map, so its first byte tells JSON (`{` or white space) from msgpack
 * (fixmap, map 16, map 32). Bounds what a hostile payload can cost before anything is validated.
 */
import { Packr, Unpackr } from "msgpackr";

export type Encoding = "json" | "msgpack";

/** Largest mailbox payload that is decoded; the server's own limit is 1 MiB with headers. */
export const payloadBytesMax = 512 * 1024;
/** Deepest nesting that is accepted: a recursive decoder would exhaust the stack far beyond it. */
const depthMax = 64;

// mapsAsObjects: payloads are string-keyed maps; no records, no structured clone, no extension types.
const packer = new Packr({ useRecords: false, mapsAsObjects: true, encodeUndefinedAsNil: false });
// structuredClone: false refuses references. With them a payload of a few hundred bytes names one object
// twice on each of many levels, and walking it takes longer than anybody lives.
const unpacker = new Unpackr({ useRecords: false, mapsAsObjects: true, structuredClone: false });

export type Decoded =
  { ok: true; value: Record<string, unknown>; encoding: Encoding } | { ok: false; reason: string };

/** Reads a payload of either encoding. Never throws; the reason names what is wrong with the bytes. */
export function decodePayload(bytes: Uint8Array): Decoded {
  if (bytes.length === 0) return { ok: true, value: {}, encoding: "json" };
  if (bytes.length > payloadBytesMax)
    return { ok: false, reason: `payload is ${bytes.length} bytes, at most ${payloadBytesMax}` };
  const first = bytes[0]!;
  const json =
    first === 0x7b || first === 0x20 || first === 0x0a || first === 0x0d || first === 0x09;
  const msgpack = (first & 0xf0) === 0x80 || first === 0xde || first === 0xdf;
  if (!json && !msgpack)
    return { ok: false, reason: "payload is neither a JSON object nor a msgpack map" };
  try {
    const value: unknown = json
      ? JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes))
      : unpacker.unpack(bytes);
    if (!isMap(value)) return { ok: false, reason: "payload is not a map" };
    const fault = cleanInPlace(value, 0);
    if (fault !== null) return { ok: false, reason: `payload ${fault}` };
    return { ok: true, value, encoding: json ? "json" : "msgpack" };
  } catch (error) {
    return {
      ok: false,
      reason: `payload is not valid ${json ? "JSON" : "msgpack"}: ${(error as Error).message}`,
    };
  }
}

/** Encodes a message between services, or in the encoding in which the other side spoke. */
export function encodePayload(value: object, encoding: Encoding = "msgpack"): Uint8Array {
  return encoding === "json"
    ? Buffer.from(JSON.stringify(value))
    : Uint8Array.from(packer.pack(value));
}

/**
 * Reads what one of our own services wrote. Throws on garbage: there is no reader to tell, and the
 * caller drops the message.
 */
export const decodeTrusted = (bytes: Uint8Array): unknown => unpacker.unpack(bytes);

const isMap = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" &&
  value !== null &&
  !Array.isArray(value) &&
  !(value instanceof Uint8Array);

/** What Postgres stores in no text: NUL, and halves of surrogate pairs. */
const unstorable = /[\0\p{Surrogate}]/u;

const cleanText = (text: string): string =>
  unstorable.test(text) ? text.replaceAll("\0", "").replaceAll(/\p{Surrogate}/gu, "\uFFFD") : text;

/**
 * Strips what Postgres cannot store from every string, drops prototype keys and makes what JSON does
 * not know (bigint, bytes, dates) into text. Says what is wrong when it is nested too deeply or holds
 * what is no data (sets, expressions, errors: extension types of msgpack); null when it is clean.
 */
function cleanInPlace(value: Record<string, unknown> | unknown[], depth: number): string | null {
  if (depth > depthMax) return `is nested deeper than ${depthMax}`;
  const map = value as Record<string, unknown>;
  for (const key of Object.keys(value)) {
    const inner = map[key];
    if (key === "__proto__" || unstorable.test(key)) Reflect.deleteProperty(map, key);
    else if (typeof inner === "string") {
      if (unstorable.test(inner)) map[key] = cleanText(inner);
    } else if (typeof inner === "bigint") map[key] = inner.toString();
    else if (inner instanceof Uint8Array) map[key] = Buffer.from(inner).toString("base64");
    else if (inner instanceof Date)
      map[key] = Number.isNaN(inner.getTime()) ? null : inner.toISOString();
    else if (typeof inner === "object" && inner !== null) {
      if (!isPlain(inner)) return `holds a value that is no data at ${JSON.stringify(key)}`;
      const fault = cleanInPlace(inner as Record<string, unknown>, depth + 1);
      if (fault !== null) return fault;
    }
  }
  return null;
}

function isPlain(value: object): boolean {
  if (Array.isArray(value)) return true;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}
