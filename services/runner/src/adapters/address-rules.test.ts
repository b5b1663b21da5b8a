import { expect, test } from "vitest";
import { addressRefused } from "./address-rules.js";

test.each([
  "127.0.0.1",
  "127.8.9.1",
  "10.1.2.3",
  "172.16.0.1",
  "172.31.255.255",
  "192.168.1.1",
  "100.64.0.1",
  "169.254.1.1",
  "0.0.0.0",
  "198.18.0.1",
  "224.0.0.1",
  "255.255.255.255",
  "::1",
  "::",
  "::127.0.0.1",
  "::ffff:127.0.0.1",
  "::ffff:a00:1",
  "64:ff9b::10.0.0.1",
  "64:ff9b:1::1",
  "2002:7f00:1::",
  "fe80::1",
  "fe80::1%eth0",
  "fd12:3456::1",
  "ff02::1",
])("%s is inside: refused unless allowed", (address) => {
  expect(addressRefused(address, false)).toContain("private");
  expect(addressRefused(address, true)).toBeNull();
});

test.each([
  "169.254.169.254",
  "::ffff:169.254.169.254",
  "64:ff9b::a9fe:a9fe",
  "fd00:ec2::254",
  "100.100.100.200",
])("%s hands out credentials: refused whatever is allowed", (address) => {
  expect(addressRefused(address, true)).toContain("metadata");
});

test.each(["8.8.8.8", "172.32.0.1", "100.128.0.1", "2606:4700::1111", "::ffff:8.8.8.8"])(
  "%s is outside: allowed",
  (address) => expect(addressRefused(address, false)).toBeNull(),
);

test("what is no address is refused", () => {
  expect(addressRefused("example.org", true)).toContain("no address");
});
