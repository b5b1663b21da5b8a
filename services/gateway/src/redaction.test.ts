import { expect, test } from "vitest";
import { isSensitiveName, redacted } from "./redaction.js";

const hidden = "***REDACTED***";

test.each(["API_KEY", "apiKey", "DB_PASSWORD", "Authorization", "session-cookie", "MY_SECRET"])(
  "%s is a sensitive name",
  (name) => expect(isSensitiveName(name)).toBe(true),
);
test.each(["PATH", "name", "tokens", "KEYBOARD", "author"])("%s is not", (name) =>
  expect(isSensitiveName(name)).toBe(false),
);

test("values of sensitive names are hidden at any depth, references and the rest stay", () => {
  const reference = { type: "secret_ref", secretId: "s", version: "latest" };
  const shown = redacted({
    url: "http://localhost",
    password: "p",
    env: {
      PLAIN: { type: "plain", value: "v" },
      API_KEY: { type: "plain", value: "k" },
      OTHER_KEY: reference,
      DB_SECRET: reference,
    },
    list: [{ token: "aaa.bbb.ccc", secret: ["x"] }, 1, null],
  });
  expect(shown).toEqual({
    url: "http://localhost",
    password: hidden,
    env: {
      PLAIN: { type: "plain", value: "v" },
      API_KEY: { type: "plain", value: hidden },
      OTHER_KEY: reference,
      DB_SECRET: reference,
    },
    list: [{ token: hidden, secret: hidden }, 1, null],
  });
});

test("what is no map has nothing to show", () => {
  expect(redacted(null)).toEqual({});
  expect(redacted(["a"])).toEqual({});
});
