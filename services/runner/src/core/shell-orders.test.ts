import { expect, test } from "vitest";
import { shellOrders } from "./shell-orders.js";
import type { StartSpec } from "./shell-orders.js";

const spec = (more: Partial<StartSpec> = {}): StartSpec => ({
  path: "/bin/echo",
  args: ["it's", "a\nb", "$HOME `id` \\"],
  cwd: "/tmp",
  env: { A: "x y" },
  ...more,
});

test("orders are one compound command with every value between quotes", () => {
  expect(shellOrders(spec())).toBe(
    [
      "{",
      "cd -P -- '/tmp' 2>/dev/null || exit 119",
      "unset OLDPWD",
      "export A='x y'",
      "exec '/bin/echo' 'it'\\''s' 'a\nb' '$HOME `id` \\' <'/dev/null'",
      "}",
      "",
    ].join("\n"),
  );
});

test("a file may be its standard input", () => {
  expect(shellOrders(spec({ inputPath: "/a b" }))).toContain(" <'/a b'\n}");
});

test.each([
  ["a relative file to read from", { inputPath: "a" }],
  ["NUL in an argument", { args: ["a\0b"] }],
  ["NUL in the directory", { cwd: "/tmp\0" }],
  ["NUL in a value", { env: { A: "\0" } }],
  ["a name that is none", { env: { "A B": "x" } }],
  ["a name with a command in it", { env: { "A;id": "x" } }],
  ["a name that the shell owns", { env: { OPTIND: "x" } }],
  ["a name that some shell does not let go", { env: { UID: "1" } }],
  ["the directory's own variable", { env: { PWD: "/" } }],
  ["a relative path", { path: "echo" }],
  ["a relative directory", { cwd: "-" }],
  ["more than fits", { args: ["x".repeat(40_000)] }],
])("%s is not ordered", (_, more) => {
  expect(shellOrders(spec(more))).toBeNull();
});
