// The boundary where bytes of anybody become values: what is good comes through, what is hostile costs little and is told why.
import fc from "fast-check";
import { Packr } from "msgpackr";
import { expect, test } from "vitest";
import { decodePayload, encodePayload, payloadBytesMax } from "./codec.js";

const bytes = (...parts: (number | string | readonly number[])[]): Uint8Array =>
  Uint8Array.from(
    parts.flatMap((part) =>
      typeof part === "string" ? [...Buffer.from(part)] : typeof part === "number" ? [part] : part,
    ),
  );
/** A short msgpack string. */
const text = (value: string): number[] => [0xa0 | Buffer.byteLength(value), ...Buffer.from(value)];
const reasonOf = (payload: Uint8Array): string => {
  const decoded = decodePayload(payload);
  return decoded.ok ? "accepted" : decoded.reason;
};
const valueOf = (payload: Uint8Array): unknown => {
  const decoded = decodePayload(payload);
  return decoded.ok ? decoded.value : decoded.reason;
};

test("what is encoded is decoded, in either encoding", () => {
  const scalar = fc.oneof(fc.integer(), fc.boolean(), fc.constant(null), fc.string());
  const { map } = fc.letrec((tie) => ({
    value: fc.oneof({ maxDepth: 4 }, scalar, fc.array(tie("value"), { maxLength: 4 }), tie("map")),
    map: fc.dictionary(fc.string({ unit: "grapheme-ascii" }), tie("value"), { maxKeys: 4 }),
  }));
  fc.assert(
    fc.property(map, fc.constantFrom("json" as const, "msgpack" as const), (given, encoding) => {
      // NUL is stripped and `__proto__` dropped on purpose; they have tests of their own.
      fc.pre(!/\\u0000|__proto__/.test(JSON.stringify(given)));
      const decoded = decodePayload(encodePayload(given as object, encoding));
      expect(decoded).toEqual({ ok: true, value: { ...(given as object) }, encoding });
    }),
  );
});

test("any bytes are read or refused, never thrown at", () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 200 }),
      fc.constantFrom(0x7b, 0x81, 0xde, 0xdf),
      (tail, first) => {
        const decoded = decodePayload(bytes(first, [...tail]));
        if (decoded.ok) expect(() => JSON.stringify(decoded.value)).not.toThrow();
        else expect(decoded.reason).toMatch(/^payload /);
      },
    ),
    { numRuns: 2_000 },
  );
});

test.each([
  ["nothing is an empty map", new Uint8Array(), {}],
  ["NUL in JSON", bytes('{"a":"x\\u0000y","b\\u0000":1}'), { a: "xy" }],
  ["NUL in msgpack", bytes(0x81, text("a"), text("x\0y")), { a: "xy" }],
  ["half a surrogate pair", bytes('{"a":"x\\ud83dy"}'), { a: "x\uFFFDy" }],
  ["a whole surrogate pair", bytes('{"a":"\\ud83d\\ude00"}'), { a: "😀" }],
  ["bytes", bytes(0x81, text("a"), [0xc4, 2, 1, 2]), { a: "AQI=" }],
  [
    "a 64-bit number",
    bytes(0x81, text("a"), [0xcf], Array<number>(8).fill(255)),
    { a: "18446744073709551615" },
  ],
  ["a date", bytes(0x81, text("a"), [0xd6, 0xff, 0, 0, 0, 0]), { a: "1970-01-01T00:00:00.000Z" }],
])("%s", (_, payload, expected) => {
  expect(valueOf(payload)).toEqual(expected);
});

test("prototype keys change no prototype", () => {
  for (const payload of [
    bytes(
      '{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}},"a":{"__proto__":{"polluted":1}}}',
    ),
    bytes(0x81, text("__proto__"), 0x81, text("polluted"), 1),
  ]) {
    const value = valueOf(payload) as Record<string, unknown>;
    expect(value["polluted"]).toBeUndefined();
    expect(Object.getPrototypeOf(value)).toBe(Object.prototype);
    expect(({} as Record<string, unknown>)["polluted"]).toBeUndefined();
  }
});

test.each([
  ["an array", bytes("[1]"), /neither a JSON object nor a msgpack map/],
  ["a text", bytes('"a"'), /neither/],
  ["an empty text", bytes("  "), /not valid JSON/],
  ["half an object", bytes('{"a":'), /not valid JSON/],
  ["bad UTF-8", bytes('{"a":"', [0xff, 0xfe], '"}'), /not valid JSON/],
  ["half a map", bytes(0x82, text("a")), /not valid msgpack/],
  ["rest behind the map", bytes(0x80, 1), /not valid msgpack/],
  ["too many bytes", new Uint8Array(payloadBytesMax + 1).fill(0x20), /at most 524288/],
  ["deep JSON", bytes('{"a":' + "[".repeat(100) + "]".repeat(100) + "}"), /deeper than 64/],
  ["deep msgpack", bytes(0x81, text("a"), Array<number>(100).fill(0x91), 0xc0), /deeper than 64/],
  [
    "a set",
    new Packr({ moreTypes: true, useRecords: false }).pack({ a: new Set([1]) }),
    /no data at "a"/,
  ],
  [
    "an expression",
    new Packr({ moreTypes: true, useRecords: false }).pack({ a: /x/ }),
    /no data at "a"/,
  ],
])("%s is refused", (_, payload, reason) => {
  expect(reasonOf(payload)).toMatch(reason);
});

/** Generous: each takes under 10 ms alone; without its bound each would take seconds to years. */
const soonMs = 1_000;
const timed = (payload: Uint8Array): { reason: string; ms: number } => {
  const startMs = performance.now();
  return { reason: reasonOf(payload), ms: performance.now() - startMs };
};

test("a bomb of references is refused at once", () => {
  const define = (id: number, body: readonly number[]) => [0xd6, 0x69, 0, 0, 0, id, ...body];
  const refer = (id: number) => [0xd6, 0x70, 0, 0, 0, id];
  const levels = 60;
  const parts = Array.from({ length: levels }, (_, level) => [
    ...text(`k${level}`),
    ...define(
      level + 1,
      level === 0 ? [0x80] : [0x82, ...text("x"), ...refer(level), ...text("y"), ...refer(level)],
    ),
  ]);
  const { reason, ms } = timed(bytes(0xde, 0, levels, parts.flat()));
  expect(reason).toMatch(/not valid msgpack/);
  expect(ms).toBeLessThan(soonMs);
});

test("declared lengths far beyond the payload cost nothing", () => {
  const huge = [0xdd, 0x01, 0x31, 0x2d, 0x00]; // an array of 20,000,000
  const { reason, ms } = timed(bytes(0x81, text("a"), Array<number[]>(50).fill(huge).flat()));
  expect(reason).toMatch(/not valid msgpack/);
  expect(ms).toBeLessThan(soonMs);
});

test("half a million brackets are refused, not a stack overflow", () => {
  const { reason, ms } = timed(bytes('{"a":' + "[".repeat(payloadBytesMax - 10)));
  expect(reason).toMatch(/^payload /);
  expect(ms).toBeLessThan(soonMs);
});
