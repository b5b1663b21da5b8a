// What NATS_URL may look like: one server, several, with and without credentials.
import { expect, test } from "vitest";
import { readServerList } from "./server-list.js";

const plain = { user: undefined, password: undefined, tls: false };

test.each([
  ["nats://127.0.0.1:4333", { ...plain, servers: ["127.0.0.1:4333"] }],
  ["nats.example", { ...plain, servers: ["nats.example:4222"] }],
  ["tls://nats.example", { ...plain, tls: true, servers: ["nats.example:4222"] }],
  [
    "nats://service:p%40ss@n1:1,nats://n2:2, n3",
    { ...plain, user: "service", password: "p@ss", servers: ["n1:1", "n2:2", "n3:4222"] },
  ],
  [
    "nats://a:b@n1:1,nats://a:b@[::1]:2",
    { ...plain, user: "a", password: "b", servers: ["n1:1", "[::1]:2"] },
  ],
])("%s", (text, wanted) => {
  const { shown, ...read } = readServerList(text);
  expect(read).toEqual(wanted);
  expect(shown).toBe(wanted.servers.join(","));
});

test("a part that is no address is refused", () => {
  expect(() => readServerList("nats://n1:1,nats://n2:port")).toThrow(TypeError);
});
