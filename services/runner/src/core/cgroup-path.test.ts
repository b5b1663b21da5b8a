import { expect, test } from "vitest";
import { ownCgroupDirectory } from "./cgroup-path.js";

const mount = (root: string, point: string): string =>
  `30 23 0:26 / /proc rw - proc proc rw\n41 31 0:38 ${root} ${point} rw,relatime shared:4 - cgroup2 cgroup2 rw\n`;

test.each([
  [
    "a machine with systemd",
    mount("/", "/sys/fs/cgroup"),
    "0::/system.slice/r.service\n",
    "/sys/fs/cgroup/system.slice/r.service",
  ],
  [
    "a hybrid machine",
    mount("/", "/sys/fs/cgroup/unified"),
    "4:memory:/x\n0::/\n",
    "/sys/fs/cgroup/unified",
  ],
  [
    "a container that sees only its own part",
    mount("/docker/abc", "/sys/fs/cgroup"),
    "0::/docker/abc/x\n",
    "/sys/fs/cgroup/x",
  ],
  [
    "the mounted part itself",
    mount("/docker/abc", "/sys/fs/cgroup"),
    "0::/docker/abc\n",
    "/sys/fs/cgroup",
  ],
  ["a mount point with a space", mount("/", "/my\\040groups"), "0::/a\n", "/my groups/a"],
  ["version 1 only", "35 31 0:32 / /c rw - cgroup cgroup rw,memory\n", "4:memory:/x\n", null],
  ["outside of what is mounted", mount("/docker/abc", "/c"), "0::/docker/other\n", null],
  ["outside of the namespace", mount("/", "/c"), "0::/../x\n", null],
  ["nothing to read", "", "", null],
])("%s", (_, mountinfo, membership, expected) => {
  expect(ownCgroupDirectory(mountinfo, membership)).toBe(expected);
});
