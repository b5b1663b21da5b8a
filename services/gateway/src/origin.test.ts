import { expect, test } from "vitest";
import { isLoopbackName, refuseOrigin } from "./origin.js";

test.each(["localhost", "127.0.0.1", "127.1.2.3", "::1", "[::1]", "api.localhost"])(
  "%s is this machine",
  (name) => expect(isLoopbackName(name)).toBe(true),
);
test.each(["0.0.0.0", "10.0.0.1", "example.org", "127.0.0.1.example.org", "localhost.evil"])(
  "%s is not",
  (name) => expect(isLoopbackName(name)).toBe(false),
);
test.each([
  [{ host: "127.0.0.1:3100" }, true],
  [{ host: "localhost:3100", origin: "http://localhost:5173" }, true],
  [{ host: "rebound.example.org:3100" }, false],
  [{ host: "127.0.0.1:3100", origin: "https://example.org" }, false],
  [{ host: "127.0.0.1:3100", origin: "null" }, false],
  [{}, false],
])("%j is allowed: %s", (headers, allowed) => {
  expect(refuseOrigin(headers) === null).toBe(allowed);
});
