/**
 * Which partition an agent's mailbox is in. The server decides (subject transform `partition(N, 2)`);
 * this is the same function (FNV-1a, 32 bits, modulo N), needed to find an agent's partition from its
 * id alone. A test compares it with a real server's echo, so a server that changes its hash is noticed.
 */

/** How many partitions a new installation gets: up to 16 actor hosts with four partitions each. */
export const defaultPartitionCount = 64;

/** Partition of an agent, `0 <= p < count`. */
export function partitionOf(agentId: string, count: number): number {
  let hash = 0x811c9dc5;
  for (let at = 0; at < agentId.length; at += 1) {
    hash ^= agentId.charCodeAt(at); // ids are ASCII: one char, one byte
    hash = Math.imul(hash, 0x01000193) >>> 0;
  }
  return hash % count;
}
