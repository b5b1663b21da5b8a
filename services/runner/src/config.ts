/**
 * The runner's configuration, from the environment alone. Says what each setting does when raised;
 * knows nothing of how it is used.
 */
import { hostname } from "node:os";
import { resolve } from "node:path";
import { z } from "zod";
import { ConfigError, commonShape, integer, readConfig } from "@reveille/shared/runtime/config";
import { tracingConfig } from "@reveille/shared/runtime/tracing-config";
import type { TracingConfig } from "@reveille/shared/runtime/tracing-config";
import { failpointPattern } from "@reveille/shared/runtime/failpoint";
import type { RepositorySettings } from "./repository/checkout.js";
import { isPoolName } from "@reveille/shared/protocol/subjects";

/** Each variable, as it is checked. */
export const runnerShape = {
  ...commonShape,
  REVEILLE_DATA_DIR: z.string().default(".reveille"),
  REVEILLE_RUNNER_POOL: z
    .string()
    .refine(isPoolName, "must be lower-case letters, digits and inner dashes, at most 32")
    .default("default"),
  /**
   * Runs at a time. 16: an agent mostly waits for its model, so cores do not bound it; memory does
   * (200-300 MB for each of the usual agent programs). 512 is where one event loop ends.
   */
  REVEILLE_RUNNER_SLOTS: integer(1, 512).default(16),
  /**
   * Processes that wait in their cgroups for a start, so that a run after a quiet moment starts at once.
   * 2: the second covers the 20-30 ms until there is a next one. Each is a shell (1 MB). 0: none.
   */
  REVEILLE_RUNNER_SPARES: integer(0, 64).default(2),
  /** Shown to people; identity is the incarnation, a new id at each start. */
  REVEILLE_RUNNER_ID: z.string().max(200).default(hostname()),
  /** Assumed when the bucket does not tell; the bucket's own time to live wins. */
  REVEILLE_RUNNER_LEASE_TTL_MS: integer(1_000, 600_000).default(30_000),
  /** A tenth of the lease: of the guard's deadline then 17 s are left at any moment, and 15 s without NATS end no run. */
  REVEILLE_RUNNER_LEASE_RENEW_MS: integer(100, 100_000).default(3_000),
  /** Trees live at most this long after the last confirmed renewal was sent. Must stay below the lease. */
  REVEILLE_RUNNER_GUARD_DEADLINE_MS: integer(500, 500_000).default(20_000),
  /** How long runs may go on after SIGTERM. Raise it together with the supervisor's own patience. */
  REVEILLE_RUNNER_DRAIN_MS: integer(0, 24 * 3_600_000).default(30_000),
  /**
   * With `--once`: how long to wait for the one execution before ending with 0, as a runner without work does. 60 s: two of a
   * scaler's looks (30 s each); what came was taken by another runner.
   */
  REVEILLE_RUNNER_ONCE_WAIT_MS: integer(0, 24 * 3_600_000).default(60_000),
  /** Homes of agents. Default: `<REVEILLE_DATA_DIR>/instances/default/workspaces`, the layout that Paperclip's users know. */
  REVEILLE_RUNNER_WORK_DIR: z.string().optional(),
  /** Given to agents. */
  REVEILLE_API_URL: z.string().default("http://127.0.0.1:3100"),
  /** `cgroup` refuses to start without one; `auto` falls back and says so. */
  REVEILLE_RUNNER_CONTAINMENT: z.enum(["auto", "cgroup", "best_effort"]).default("auto"),
  /** Wall-clock limit of a run whose agent sets none (`timeoutSec` 0 or absent). One hour. */
  REVEILLE_RUNNER_TIMEOUT_SEC_DEFAULT: integer(1, 24 * 24 * 3_600).default(3_600),
  /**
   * How long a process may print nothing when its agent says nothing else (`idleTimeoutSec`). One hour:
   * agents that think or build for longer without a word are rarer than those that hang.
   */
  REVEILLE_RUNNER_IDLE_TIMEOUT_SEC: integer(1, 24 * 24 * 3_600).default(3_600),
  /** Bytes of one run's log. 1 GiB: more is a loop, not a log. Raise REVEILLE_LOGS_MAX_BYTES with it. */
  REVEILLE_RUNNER_LOG_MAX_BYTES: integer(1_000, Number.MAX_SAFE_INTEGER).default(1024 ** 3),
  /** Bytes a second of one run's log; more is held back in the process's pipe. 0: no limit. */
  REVEILLE_RUNNER_LOG_BYTES_PER_SEC: integer(0, Number.MAX_SAFE_INTEGER).default(0),
  /**
   * Log bytes of all runs that wait on the disk while NATS is away. 256 MiB: sixteen runs of 500 KB a second
   * for half a minute, which is longer than the guard lets a run live without NATS. 0: none.
   */
  REVEILLE_RUNNER_SPOOL_MAX_BYTES: integer(0, Number.MAX_SAFE_INTEGER).default(256 * 1024 ** 2),
  /** Further adapters: names of packages, or paths of modules with `/` or `.` in front, by commas. */
  REVEILLE_RUNNER_ADAPTERS: z
    .string()
    .default("")
    .transform((text) =>
      text
        .split(",")
        .map((name) => name.trim())
        .filter(Boolean),
    ),
  /**
   * True: requests of the adapter `http` may go to loopback, private and other addresses inside the
   * network that the runner stands in. Whoever may configure an agent can then reach what is there.
   */
  REVEILLE_RUNNER_HTTP_ALLOW_PRIVATE: z
    .enum(["true", "false", "1", "0"])
    .default("false")
    .transform((text) => text === "true" || text === "1"),
  /** Folder with the `reveille` command, at the end of PATH for every run. Absent: whoever wants it installs it. */
  REVEILLE_RUNNER_TOOLS_PATH: z
    .string()
    .regex(/^\/[^:\0]*$/, "must be an absolute path without a colon")
    .optional(),
  /** Of one git command, a first clone included. Ten minutes: 3 GB at 5 MB a second. */
  REVEILLE_RUNNER_GIT_TIMEOUT_SEC: integer(1, 24 * 3_600).default(600),
  /**
   * Bytes of all cached repositories, in packs. 20 GiB: a few of the largest public ones. Looked at hourly, so
   * it can be passed in between.
   */
  REVEILLE_RUNNER_REPOSITORIES_MAX_BYTES: integer(0, Number.MAX_SAFE_INTEGER).default(
    20 * 1024 ** 3,
  ),
  /** Days that an unused cache, or an unused working tree without work of its own, is kept. */
  REVEILLE_RUNNER_REPOSITORIES_KEEP_DAYS: integer(0, 3_650).default(14),
  /** True: repositories on this machine's own disk may be cloned (`file://`). Every agent can then read them. */
  REVEILLE_RUNNER_REPOSITORIES_ALLOW_FILE: z
    .enum(["true", "false", "1", "0"])
    .default("false")
    .transform((text) => text === "true" || text === "1"),
  /** For tests alone: where this process ends as if by kill -9, for example `after-exit:3`. */
  REVEILLE_FAILPOINT: z
    .string()
    .regex(failpointPattern, "must be a place and a number, for example after-exit:3")
    .optional(),
};

export interface RunnerConfig {
  natsUrl: string;
  natsCredsFile: string | undefined;
  natsNkeyFile: string | undefined;
  subjectPrefix: string;
  logLevel: string;
  tracing: TracingConfig;
  healthHost: string;
  healthPort: number | undefined;
  pool: string;
  slots: number;
  spares: number;
  runnerId: string;
  leaseTtlMs: number;
  leaseRenewMs: number;
  guardDeadlineMs: number;
  drainMs: number;
  /** Absolute. */
  workDir: string;
  apiUrl: string;
  containment: "auto" | "cgroup" | "best_effort";
  timeoutSecDefault: number;
  idleTimeoutSecDefault: number;
  httpAllowPrivate: boolean;
  logBytesMax: number;
  /** 0: no limit. */
  logBytesPerSec: number;
  spoolBytesMax: number;
  repositories: RepositorySettings;
  /** Absolute. */
  toolsPath: string | undefined;
  /** Packages to load adapters from. */
  adapters: readonly string[];
  /** Take one execution, then end. */
  once: boolean;
  /** So long it waits for that one. */
  onceWaitMs: number;
  /** Checked; absent: none. */
  failpoint?: string;
}

function repositorySettings(read: {
  REVEILLE_RUNNER_GIT_TIMEOUT_SEC: number;
  REVEILLE_RUNNER_REPOSITORIES_MAX_BYTES: number;
  REVEILLE_RUNNER_REPOSITORIES_KEEP_DAYS: number;
  REVEILLE_RUNNER_REPOSITORIES_ALLOW_FILE: boolean;
}): RepositorySettings {
  const keepMs = read.REVEILLE_RUNNER_REPOSITORIES_KEEP_DAYS * 24 * 3_600_000;
  return {
    allowFile: read.REVEILLE_RUNNER_REPOSITORIES_ALLOW_FILE,
    gitTimeoutMs: read.REVEILLE_RUNNER_GIT_TIMEOUT_SEC * 1_000,
    treeKeepMs: keepMs,
    cacheBytesMax: read.REVEILLE_RUNNER_REPOSITORIES_MAX_BYTES,
    cacheKeepMs: keepMs,
  };
}

/** @throws ConfigError that names each bad variable. */
export function readRunnerConfig(
  env: Readonly<Record<string, string | undefined>>,
  args: readonly string[],
): RunnerConfig {
  const read = readConfig(runnerShape, env);
  const unknown = args.find((arg) => arg !== "--once");
  if (unknown !== undefined) throw new ConfigError(`unknown argument ${unknown}; known: --once`);
  const once = args.includes("--once");
  if (read.REVEILLE_RUNNER_GUARD_DEADLINE_MS >= read.REVEILLE_RUNNER_LEASE_TTL_MS)
    throw new ConfigError(
      "REVEILLE_RUNNER_GUARD_DEADLINE_MS: must be below REVEILLE_RUNNER_LEASE_TTL_MS, " +
        "or an agent could live on after its run was given to somebody else",
    );
  return {
    natsUrl: read.NATS_URL,
    natsCredsFile: read.NATS_CREDS_FILE,
    natsNkeyFile: read.NATS_NKEY_FILE,
    subjectPrefix: read.REVEILLE_SUBJECT_PREFIX,
    logLevel: read.REVEILLE_LOG_LEVEL,
    tracing: tracingConfig(read),
    healthHost: read.REVEILLE_HEALTH_HOST,
    healthPort: read.REVEILLE_HEALTH_PORT,
    pool: read.REVEILLE_RUNNER_POOL,
    slots: once ? 1 : read.REVEILLE_RUNNER_SLOTS,
    spares: read.REVEILLE_RUNNER_SPARES,
    runnerId: read.REVEILLE_RUNNER_ID,
    leaseTtlMs: read.REVEILLE_RUNNER_LEASE_TTL_MS,
    leaseRenewMs: read.REVEILLE_RUNNER_LEASE_RENEW_MS,
    guardDeadlineMs: read.REVEILLE_RUNNER_GUARD_DEADLINE_MS,
    drainMs: read.REVEILLE_RUNNER_DRAIN_MS,
    workDir: resolve(
      read.REVEILLE_RUNNER_WORK_DIR ?? `${read.REVEILLE_DATA_DIR}/instances/default/workspaces`,
    ),
    apiUrl: read.REVEILLE_API_URL,
    containment: read.REVEILLE_RUNNER_CONTAINMENT,
    timeoutSecDefault: read.REVEILLE_RUNNER_TIMEOUT_SEC_DEFAULT,
    idleTimeoutSecDefault: read.REVEILLE_RUNNER_IDLE_TIMEOUT_SEC,
    adapters: read.REVEILLE_RUNNER_ADAPTERS,
    httpAllowPrivate: read.REVEILLE_RUNNER_HTTP_ALLOW_PRIVATE,
    logBytesMax: read.REVEILLE_RUNNER_LOG_MAX_BYTES,
    logBytesPerSec: read.REVEILLE_RUNNER_LOG_BYTES_PER_SEC,
    spoolBytesMax: read.REVEILLE_RUNNER_SPOOL_MAX_BYTES,
    repositories: repositorySettings(read),
    toolsPath: read.REVEILLE_RUNNER_TOOLS_PATH,
    once,
    onceWaitMs: read.REVEILLE_RUNNER_ONCE_WAIT_MS,
    ...(read.REVEILLE_FAILPOINT === undefined ? {} : { failpoint: read.REVEILLE_FAILPOINT }),
  };
}
