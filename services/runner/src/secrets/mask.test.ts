import fc from "fast-check";
import { expect, test } from "vitest";
import { createMask } from "./mask.js";

/** Everything that one stream shows of these pieces. */
function shownOf(secrets: readonly string[], pieces: readonly string[]): string {
  const stream = createMask(secrets)!.stream();
  const parts = pieces.map((piece) => stream.push(Buffer.from(piece)));
  return Buffer.concat([...parts, stream.release(true)]).toString();
}

test("a secret is hidden wherever chunks are cut [B32]", () => {
  const text = "before hunter2-and-more after";
  for (let at = 0; at <= text.length; at += 1)
    expect(shownOf(["hunter2-and-more"], [text.slice(0, at), text.slice(at)])).toBe(
      "before *** after",
    );
  expect(shownOf(["hunter2-and-more"], text.split(""))).toBe("before *** after");
});

test("what cannot be a secret goes through as the same bytes", () => {
  const stream = createMask(["hunter2"])!.stream();
  const chunk = Buffer.from([0, 255, 10, 128]);
  expect(stream.push(chunk)).toEqual(chunk);
  expect(stream.holds).toBe(false);
});

test("a short end waits for a pause, then is shown; its secret is hidden all the same [B32]", () => {
  const stream = createMask(["hunter2-and-more"])!.stream();
  expect(stream.push(Buffer.from("> hun")).toString()).toBe("> ");
  expect(stream.holds).toBe(true);
  expect(stream.release(false).toString()).toBe("hun");
  expect(stream.holds).toBe(false);
  expect(stream.push(Buffer.from("ter2-and-more!")).toString()).toBe("***!");
});

test("a telling part of a secret is never shown [B32]", () => {
  const stream = createMask(["hunter2-and-more"])!.stream();
  expect(stream.push(Buffer.from("hunter2-")).length).toBe(0);
  expect(stream.release(false).length).toBe(0);
  expect(stream.release(true).toString()).toBe("***");
  expect(shownOf(["hunter2-and-more"], ["hunter2-and-less"])).toBe("hunter2-and-less");
});

test("secrets that overlap or contain each other leave nothing behind [B32]", () => {
  expect(shownOf(["abcd", "cdef"], ["xabcdefx"])).toBe("x***x");
  expect(shownOf(["abcdefghij", "cdef"], ["xabcdef-"])).toBe("xab***-");
  expect(shownOf(["abab", "babX"], ["abab", "X"])).not.toMatch(/b|X/);
});

test("the usual forms of a value are hidden too [B32]", () => {
  const key = "-----BEGIN KEY-----\nMIIBVwIBADAN\nBgkqhkiG9w0B\n-----END KEY-----";
  const mask = createMask([key, 'pa"ss/word&1'])!;
  expect(mask.text(`  MIIBVwIBADAN\r\n`)).toBe("  ***\r\n");
  expect(mask.text(JSON.stringify({ key }))).toBe('{"key":"***"}');
  expect(mask.text("postgres://u:pa%22ss%2Fword%261@h")).toBe("postgres://u:***@h");
});

test("values in results are masked at every depth, keys as well [B32]", () => {
  const mask = createMask(["hunter2"])!;
  const given = { a: ["hunter2!", 1, null, { hunter2: "x" }] };
  expect(mask.json(given)).toEqual({ a: ["***!", 1, null, { "***": "x" }] });
});

test("short values are no secrets", () => {
  expect(createMask(["", "abc"])).toBeNull();
  expect(createMask(["abcd"])).not.toBeNull();
});

test("however it is cut, no secret is shown and nothing else is lost [B32]", () => {
  const word = fc.string({ unit: fc.constantFrom("a", "b", "c"), minLength: 4, maxLength: 12 });
  const piece = fc.string({ unit: fc.constantFrom("a", "b", "c", "-"), maxLength: 12 });
  const pauses = fc.array(fc.boolean(), { maxLength: 8 });
  fc.assert(
    fc.property(
      fc.array(word, { minLength: 1, maxLength: 3 }),
      fc.array(piece, { maxLength: 8 }),
      pauses,
      (secrets, pieces, pausedAfter) => {
        const whole = pieces.join("");
        const stream = createMask(secrets)!.stream();
        let unpaused = "";
        for (const one of pieces) unpaused += stream.push(Buffer.from(one)).toString();
        unpaused += stream.release(true).toString();
        for (const secret of secrets) expect(unpaused).not.toContain(secret);
        // What is shown is what came, in its order, with parts hidden.
        const shown = unpaused.split("***").map((part) => part.replaceAll(/[-]/g, "\\-"));
        expect(whole).toMatch(new RegExp(`^${shown.join("[abc-]*")}$`));
        if (!secrets.some((secret) => whole.includes(secret.slice(0, 8))))
          expect(unpaused).toBe(whole);

        const paused = createMask(secrets)!.stream();
        let out = "";
        for (const [at, one] of pieces.entries()) {
          out += paused.push(Buffer.from(one)).toString();
          if (pausedAfter[at]) out += paused.release(false).toString();
        }
        out += paused.release(true).toString();
        for (const secret of secrets) expect(out).not.toContain(secret);
      },
    ),
    { numRuns: 2_000 },
  );
});
