import { expect, test } from "vitest";
import { cutDisplayId, nonBlank, sessionCodecOf } from "./session.js";

const plain = sessionCodecOf("process");
const folder = sessionCodecOf("claude_local");

test.each([
  [{ anything: 1 }, { anything: 1 }],
  [{}, null],
  [null, null],
  [undefined, null],
  ["text", null],
  [["list"], null],
])("the plain codec keeps any map with a key: %j [S10]", (params, kept) => {
  expect(plain.normalize(params)).toEqual(kept);
});

test("the plain codec shows the session id, when it is text [S10]", () => {
  expect(plain.displayId({ sessionId: "s" })).toBe("s");
  expect(plain.displayId({ sessionId: 7 })).toBeNull();
  expect(plain.displayId({ other: "s" })).toBeNull();
  expect(plain.displayId(null)).toBeNull();
});

test.each([
  [{ sessionId: " s " }, { sessionId: "s" }],
  [
    { session_id: "s", workdir: "/w" },
    { sessionId: "s", cwd: "/w" },
  ],
  [
    { sessionId: "s", folder: "/f", cwd: "/c" },
    { sessionId: "s", cwd: "/c" },
  ],
  [
    { sessionId: "s", workspace_id: "w", repo_url: "u", repo_ref: "r", extra: true },
    { sessionId: "s", workspaceId: "w", repoUrl: "u", repoRef: "r" },
  ],
  [{ sessionId: " ", session_id: "t" }, { sessionId: "t" }],
  [
    { sessionId: "s", totals: { costUsd: 0.5, usage: 7, more: 1 } },
    { sessionId: "s", totals: { costUsd: 0.5 } },
  ],
  [{ sessionId: "s", totals: { costUsd: "much" } }, { sessionId: "s" }],
  [{ cwd: "/c" }, null],
  [{ sessionId: 7 }, null],
  [null, null],
])("programs that keep a folder need an id and keep what they know: %j [S11]", (params, kept) => {
  expect(folder.normalize(params)).toEqual(kept);
  expect(sessionCodecOf("codex_local").normalize(params)).toEqual(kept);
});

test.each([plain, folder])("what was kept is kept again as it is [S5]", (codec) => {
  const kept = codec.normalize({ session_id: "s", sessionId: "s", cwd: "/c" });
  expect(codec.normalize(kept)).toEqual(kept);
});

test("a display id is cut to 128, never inside a character [S6]", () => {
  expect(cutDisplayId("a".repeat(200))).toHaveLength(128);
  expect(cutDisplayId(`${"a".repeat(127)}😀`)).toBe("a".repeat(127));
  expect(cutDisplayId(null)).toBeNull();
});

test("blank is nothing [S4]", () => {
  expect([nonBlank(" "), nonBlank(""), nonBlank(null), nonBlank(" a ")]).toEqual([
    null,
    null,
    null,
    "a",
  ]);
});
