// Owns running a laid-out image as an engine would, without one: in namespaces of its own where this machine permits it (its root
// read-only, its own process ids, its own user), else as a plain process below the folder. The network is this machine's. Base
// system and node are this machine's too: what the image's Debian has in addition is not there.
import { spawn, spawnSync } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import {
  chmodSync,
  chownSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  readlinkSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import type { ImageConfig } from "./dockerfile.js";

export interface ContainerOptions {
  /** Root folder of the image. */
  root: string;
  config: ImageConfig;
  /** Over the image's own. */
  env?: Readonly<Record<string, string>>;
  /** In place of the image's CMD. */
  args?: readonly string[];
  /** In place of entry point and arguments. */
  command?: readonly string[];
  /** A folder of this machine that is writable in the container, at the data directory. */
  data: string;
}
export interface Container {
  /** Of the first process, as this machine counts; undefined when it has ended. */
  pid(): number | undefined;
  /** To the first process. */
  signal(name: NodeJS.Signals): void;
  output(): string;
  /** Exit code; 128 and the signal's number when a signal ended it. */
  readonly exited: Promise<number>;
}
/** How containers are made here. */
export type Isolation = "namespaces" | "plain";

/** Where an image has its writable folder. */
const dataFolder = "/var/lib/reveille";
/** Of the base system, from this machine. */
const systemFolders = ["usr", "bin", "sbin", "lib", "lib64", "etc", "dev"];
/** Where programs that this machine has somewhere else are in a container. */
const lentFolder = "/opt/lent";
const tiniPath = "/usr/bin/tini";

/** Mounts in a new mount namespace are nobody else's; `$root` is read-only from the last one on. */
const setUp = `set -e
root=$1 user=$2 data=$3 workdir=$4 node=$5 tini=$6; shift 6
mount --make-rprivate /
mount --bind "$root" "$root"
for folder in ${systemFolders.join(" ")}; do
  if [ -d "$root/$folder" ] && [ ! -L "$root/$folder" ]; then mount --rbind "/$folder" "$root/$folder"; fi
done
for folder in usr etc; do mount -o remount,bind,ro "$root/$folder"; done
mount -t proc proc "$root/proc"
mount -t tmpfs -o mode=1777,size=64m tmpfs "$root/tmp"
mount --bind "$data" "$root${dataFolder}"
mount --bind "$node" "$root${lentFolder}/node"
if [ -n "$tini" ]; then mount --bind "$tini" "$root${lentFolder}/tini"; fi
mount -o remount,bind,ro "$root"
exec chroot --userspec="$user" --groups= "$root" /usr/bin/env -C "$workdir" "$@"`;

/** What stands for `$PATH` in an image's own. */
const isolatedPath = `${lentFolder}:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin`;
const plainPath = `${join(process.execPath, "..")}:${process.env["PATH"] ?? ""}`;

const isRoot = process.getuid?.() === 0;

/** What this machine permits; asks once, by trying. */
export function isolation(): Isolation {
  isolated ??=
    isRoot &&
    spawnSync("unshare", [
      "--mount",
      "--pid",
      "--fork",
      "--mount-proc",
      "mount",
      "--make-rprivate",
      "/",
    ]).status === 0;
  return isolated ? "namespaces" : "plain";
}
let isolated: boolean | undefined;

/** Path of a program on this machine; empty when there is none. */
const programPath = (name: string): string =>
  (process.env["PATH"] ?? "")
    .split(":")
    .map((folder) => join(folder, name))
    .find((path) => existsSync(path)) ?? "";

/** Starts the image. Without tini on this machine the entry point's own command is the first process. */
export function startContainer(options: ContainerOptions): Container {
  const { config } = options;
  const tini = programPath("tini");
  const given = options.command ?? [
    ...(config.entrypoint?.json ?? []),
    ...(options.args ?? config.cmd?.json ?? []),
  ];
  const command =
    given[0] !== tiniPath
      ? given
      : tini
        ? [`${lentFolder}/tini`, ...given.slice(1)]
        : given.slice(2);
  const path = isolation() === "namespaces" ? isolatedPath : plainPath;
  const own = { ...config.env, ...options.env };
  const env = { ...own, PATH: (own["PATH"] ?? "$PATH").replace("$PATH", path) };
  const child =
    isolation() === "namespaces"
      ? isolate(options, command, env, tini)
      : plain(options, command, env);
  const output: string[] = [];
  for (const pipe of [child.stdout, child.stderr])
    pipe?.setEncoding("utf8").on("data", (text: string) => output.push(text));
  const exited = new Promise<number>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code, signal) => resolve(code ?? 128 + (signal === "SIGKILL" ? 9 : 15)));
  });
  const pid = (): number | undefined =>
    isolation() === "namespaces"
      ? childrenOf(child.pid)[0]
      : child.exitCode === null
        ? child.pid
        : undefined;
  return {
    pid,
    signal: (name) => {
      const first = pid();
      if (first !== undefined) process.kill(first, name);
    },
    output: () => output.join(""),
    exited,
  };
}

function isolate(
  { root, config, data }: ContainerOptions,
  command: readonly string[],
  env: Readonly<Record<string, string>>,
  tini: string,
): ChildProcess {
  prepareRoot(root);
  const [uid, gid] = (config.user ?? "0:0").split(":").map(Number);
  chownSync(data, uid!, gid!);
  // Whoever ends the outer process ends the container.
  const outer = ["--mount", "--pid", "--fork", "--kill-child", "/bin/sh", "-c", setUp, "container"];
  return spawn(
    "unshare",
    [
      ...outer,
      root,
      config.user ?? "0:0",
      data,
      config.workdir,
      process.execPath,
      tini,
      ...command,
    ],
    {
      env,
      stdio: ["ignore", "pipe", "pipe"],
    },
  );
}

/** Where things are mounted, and links as a system whose /bin is in /usr has them. Repeatable. */
function prepareRoot(root: string): void {
  for (const folder of [...systemFolders, "proc", "tmp", dataFolder, lentFolder]) {
    const [there, here] = [join(root, folder), join("/", folder)];
    // Not existsSync: such a link leads nowhere until /usr is mounted.
    if (lstatSync(there, { throwIfNoEntry: false })) continue;
    const isLink = lstatSync(here, { throwIfNoEntry: false })?.isSymbolicLink();
    if (isLink) symlinkSync(readlinkSync(here), there);
    else mkdirSync(there, { recursive: true });
  }
  for (const name of ["node", "tini"]) writeFileSync(join(root, lentFolder, name), "");
}

/** Below the folder itself: paths of the image lead there; read-only by the files' modes, which bind everybody but root. */
function plain(
  { root, config, data }: ContainerOptions,
  command: readonly string[],
  env: Readonly<Record<string, string>>,
): ChildProcess {
  spawnSync("chmod", ["-R", "a-w", join(root, "app")]);
  chmodSync(data, 0o777);
  const here = (text: string): string =>
    text.startsWith(dataFolder)
      ? text.replace(dataFolder, data)
      : text.replace(/^\/app\//, `${root}/app/`);
  const [uid, gid] = (config.user ?? "0:0").split(":").map(Number);
  const [program, ...args] = command.filter((word) => word !== `${lentFolder}/tini`).map(here);
  return spawn(program === "--" ? args[0]! : program!, program === "--" ? args.slice(1) : args, {
    cwd: join(root, config.workdir),
    env: Object.fromEntries(Object.entries(env).map(([name, value]) => [name, here(value)])),
    ...(isRoot ? { uid: uid!, gid: gid! } : {}),
    stdio: ["ignore", "pipe", "pipe"],
  });
}

/** Pids of a process's children; none when it has ended. */
export function childrenOf(pid: number | undefined): number[] {
  try {
    return readFileSync(`/proc/${pid}/task/${pid}/children`, "latin1")
      .split(" ")
      .filter(Boolean)
      .map(Number);
  } catch {
    return []; // it has ended
  }
}
