// Owns a disk of a test's own that can be full: a file system in a sparse file, mounted by loop. Needs root and loop devices; where
// there are none it says so, and its tests have to be skipped loudly.
import { spawnSync } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, statfsSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

export interface SmallDisk {
  /** A folder on it that others may pass through. */
  readonly dir: string;
  /** Takes all that is left; returns how many bytes that were. */
  fill(): number;
  free(): void;
  /** Unmounts it and removes everything. Nobody may use it any more. */
  close(): void;
}

/** Large enough for what JetStream reserves for our streams (11 GiB of three quarters); a sparse file costs none of it. */
const diskBytes = 16 * 1024 ** 3;

/** Of filling: measured 2. */
const triesMax = 20;

const run = (command: string, ...args: string[]): string | null => {
  const { status, stderr, error } = spawnSync(command, args, { encoding: "utf8", timeout: 60_000 });
  return status === 0 ? null : `${command}: ${error?.message ?? stderr.trim()}`;
};

/** @throws Error that says what this machine does not permit. */
export function openSmallDisk(): SmallDisk {
  const scratch = mkdtempSync(join(tmpdir(), "reveille-disk-"));
  chmodSync(scratch, 0o711);
  const [image, mount] = [join(scratch, "image"), join(scratch, "mount")];
  mkdirSync(mount);
  const lazy = "lazy_itable_init=1,lazy_journal_init=1";
  const failure =
    run("truncate", "-s", String(diskBytes), image) ??
    run("mkfs.ext4", "-q", "-F", "-m", "0", "-E", lazy, image) ??
    run("mount", "-o", "loop", image, mount);
  if (failure !== null) {
    rmSync(scratch, { recursive: true, force: true });
    throw new Error(failure);
  }
  const dir = join(mount, "data");
  mkdirSync(dir);
  chmodSync(dir, 0o711);
  const filling = (n: number): string => join(mount, `fill-${n}`);
  let fills = 0;
  return {
    dir,
    fill: () => {
      const left = (): number => statfsSync(mount).bavail * statfsSync(mount).bsize;
      const before = left();
      // What does not fit in one piece leaves a part of itself, and the rest is asked for again.
      for (let tries = 0; left() > 0 && tries < triesMax; tries += 1)
        run("fallocate", "-l", String(left()), filling(fills++));
      return before;
    },
    free: () => {
      for (let n = 0; n <= fills; n += 1) rmSync(filling(n), { force: true });
      fills = 0;
    },
    close: () => {
      const failure = run("umount", mount);
      // Somebody still writes there: what is left behind is better than half of it.
      if (failure !== null) throw new Error(failure);
      rmSync(scratch, { recursive: true, force: true });
    },
  };
}

/** Why there can be no such disk here; null: there can. */
export function noSmallDisk(): string | null {
  try {
    openSmallDisk().close();
    return null;
  } catch (error) {
    return (error as Error).message;
  }
}
