// Rendezvous hashing: all hosts agree, shares are even, and a change of the hosts moves only what has to move.
import fc from "fast-check";
import { expect, test } from "vitest";
import { desiredPartitions } from "./placement.js";
import { idOf } from "./testing/fixtures.js";

const partitions = 64;
const hostsOf = (count: number): string[] =>
  Array.from({ length: count }, (_, at) => idOf(`host ${at}`));
const ownersOf = (hosts: readonly string[], count = partitions): Map<number, string> =>
  new Map(
    hosts.flatMap((host) =>
      [...desiredPartitions(host, hosts, count)].map((p) => [p, host] as const),
    ),
  );

const hostNames = fc.uniqueArray(fc.uuid(), { minLength: 1, maxLength: 8 });

test("each partition has one owner, whatever the order in which hosts are seen", () => {
  fc.assert(
    fc.property(hostNames, (hosts) => {
      const shares = hosts.map((host) => desiredPartitions(host, hosts, partitions).size);
      expect(shares.reduce((sum, share) => sum + share, 0)).toBe(partitions);
      expect(ownersOf(hosts.toReversed())).toEqual(ownersOf(hosts));
    }),
  );
});

test("when a host leaves, only its own partitions move", () => {
  fc.assert(
    fc.property(fc.uniqueArray(fc.uuid(), { minLength: 2, maxLength: 8 }), (hosts) => {
      const before = ownersOf(hosts);
      const after = ownersOf(hosts.slice(1));
      for (const [partition, owner] of before)
        if (owner !== hosts[0]) expect(after.get(partition)).toBe(owner);
    }),
  );
});

test.each([2, 3, 4, 8])("%i hosts get even shares", (count) => {
  const many = 10_000;
  const hosts = hostsOf(count);
  // Binomial: six standard deviations around an even share.
  const margin = 6 * Math.sqrt((many / count) * (1 - 1 / count));
  for (const host of hosts)
    expect(Math.abs(desiredPartitions(host, hosts, many).size - many / count)).toBeLessThan(margin);
});

test("a host that is not among the live ones owns nothing", () => {
  expect(desiredPartitions("stranger", hostsOf(3), partitions).size).toBe(0);
  expect(desiredPartitions("alone", ["alone"], partitions).size).toBe(partitions);
});
