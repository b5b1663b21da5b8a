/**
 * Which addresses a request on behalf of an agent may go to: never the inside of the network that the
 * runner stands in, unless its operator allows it; never the service that hands out a machine's own
 * credentials. Judges addresses, not names: a name is judged by what it was resolved to.
 */
import { BlockList, isIPv4, isIPv6 } from "node:net";

/** IANA's special-purpose registries (RFC 6890 and what came later): nothing of it is the public internet. */
const inside: readonly (readonly [string, number])[] = [
  ["0.0.0.0", 8],
  ["10.0.0.0", 8],
  ["100.64.0.0", 10],
  ["127.0.0.0", 8],
  ["169.254.0.0", 16],
  ["172.16.0.0", 12],
  ["192.0.0.0", 24],
  ["192.0.2.0", 24],
  ["192.88.99.0", 24],
  ["192.168.0.0", 16],
  ["198.18.0.0", 15],
  ["198.51.100.0", 24],
  ["203.0.113.0", 24],
  ["224.0.0.0", 3],
];
/** Also what carries an IPv4 address in a way of its own (compatible, 6to4, Teredo): nobody serves there. */
const insideSix: readonly (readonly [string, number])[] = [
  ["::", 96],
  ["64:ff9b:1::", 48],
  ["100::", 64],
  ["2001::", 32],
  ["2001:db8::", 32],
  ["2002::", 16],
  ["fc00::", 7],
  ["fe80::", 10],
  ["fec0::", 10],
  ["ff00::", 8],
];
/** Of the large clouds: whoever reads there is the machine. */
const metadata = ["169.254.169.254", "169.254.170.2", "168.63.129.16", "100.100.100.200"];
const metadataSix = ["fd00:ec2::254", "fd20:ce::254"];

const insideList = new BlockList();
for (const [net, prefix] of inside) insideList.addSubnet(net, prefix, "ipv4");
for (const [net, prefix] of insideSix) insideList.addSubnet(net, prefix, "ipv6");
const metadataList = new BlockList();
for (const address of metadata) metadataList.addAddress(address, "ipv4");
for (const address of metadataSix) metadataList.addAddress(address, "ipv6");

/** Null when a request may go there, else why not. `address` is what a resolver or a socket gives. */
export function addressRefused(address: string, allowPrivate: boolean): string | null {
  const bare = address.split("%")[0]!;
  const judged = isIPv6(bare) ? (embedded(bare) ?? bare) : bare;
  const family = isIPv4(judged) ? "ipv4" : "ipv6";
  if (family === "ipv6" && !isIPv6(judged)) return `${address} is no address`;
  if (metadataList.check(judged, family)) return `${address} is a metadata service`;
  if (!allowPrivate && insideList.check(judged, family))
    return `${address} is private, loopback, link-local or reserved`;
  return null;
}

/** The IPv4 address inside a mapped (`::ffff:0:0/96`) or translated (`64:ff9b::/96`) one. */
function embedded(address: string): string | null {
  const groups = groupsOf(address);
  const head = groups.slice(0, 6).join(":");
  if (head !== "0:0:0:0:0:ffff" && head !== "64:ff9b:0:0:0:0") return null;
  const [high, low] = [parseInt(groups[6]!, 16), parseInt(groups[7]!, 16)];
  return `${high >> 8}.${high & 255}.${low >> 8}.${low & 255}`;
}

/** Eight groups without leading zeros, as a URL writes them. */
function groupsOf(address: string): string[] {
  const written = new URL(`http://[${address}]/`).hostname.slice(1, -1);
  const [before = "", after] = written.split("::");
  const first = before === "" ? [] : before.split(":");
  if (after === undefined) return first;
  const last = after === "" ? [] : after.split(":");
  const zeros = Array.from({ length: 8 - first.length - last.length }, () => "0");
  return [...first, ...zeros, ...last];
}
