/**
 * Which host should own which partition: rendezvous hashing over the live hosts. Every host computes
 * the same; when one joins or leaves, only its share moves. (Thaler and Ravishankar, "A name-based
 * mapping scheme for rendezvous", 1996.)
 */

/** The partitions that `me` should own. `hosts` holds every live host, `me` among them. */
export function desiredPartitions(
  me: string,
  hosts: readonly string[],
  partitionCount: number,
): Set<number> {
  const mine = new Set<number>();
  for (let partition = 0; partition < partitionCount; partition += 1)
    if (ownerOf(partition, hosts) === me) mine.add(partition);
  return mine;
}

function ownerOf(partition: number, hosts: readonly string[]): string | undefined {
  let best: string | undefined;
  let bestScore = -1;
  for (const host of hosts) {
    const score = scoreOf(`${host}:${partition}`);
    if (score > bestScore || (score === bestScore && best !== undefined && host < best)) {
      best = host;
      bestScore = score;
    }
  }
  return best;
}

/** FNV-1a with a final avalanche (murmur3's), since FNV alone spreads similar keys badly. */
function scoreOf(key: string): number {
  let hash = 0x811c9dc5;
  for (let at = 0; at < key.length; at += 1)
    hash = Math.imul(hash ^ key.charCodeAt(at), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}
