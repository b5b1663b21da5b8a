/**
 * Where this process's cgroup (version 2) is in the file system, from the kernel's two tables. Pure:
 * the texts come from the caller.
 */

/**
 * The directory of the own cgroup; null when there is no version 2 hierarchy, or the own group lies
 * outside of what is mounted here.
 * @param mountinfo text of `/proc/self/mountinfo`
 * @param membership text of `/proc/self/cgroup`
 */
export function ownCgroupDirectory(mountinfo: string, membership: string): string | null {
  const own = membership
    .split("\n")
    .find((line) => line.startsWith("0::"))
    ?.slice(3);
  if (!own?.startsWith("/") || own.startsWith("/..")) return null;
  for (const line of mountinfo.split("\n")) {
    // 41 31 0:38 <root> <mount point> <options> [optional fields] - <type> <source> <options>
    const [before, after] = line.split(" - ");
    if (!after?.startsWith("cgroup2 ")) continue;
    const fields = before!.split(" ");
    const root = unescape(fields[3] ?? "");
    const mountPoint = unescape(fields[4] ?? "");
    if (root === "/") return join(mountPoint, own);
    if (own === root) return mountPoint;
    if (own.startsWith(`${root}/`)) return join(mountPoint, own.slice(root.length));
  }
  return null;
}

const join = (mountPoint: string, path: string): string =>
  path === "/" ? mountPoint : `${mountPoint}${path}`;

/** The kernel writes space, tab, newline and backslash as octal. */
const unescape = (text: string): string =>
  text.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(parseInt(octal, 8)));
