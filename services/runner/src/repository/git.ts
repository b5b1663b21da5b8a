/**
 * Git as the runner uses it: never a prompt, never a program or setting of a repository, bounded in time
 * and in output, credentials in variables of the process that goes out and in no file but a key of its own.
 * Knows no cache and no tree; who starts the process is given.
 */
import { writeFileSync } from "node:fs";
import type { RepositoryAddress } from "./address.js";

export interface ProcessRequest {
  /** Absolute. */
  path: string;
  args: readonly string[];
  cwd: string;
  env: Readonly<Record<string, string>>;
  timeoutMs: number;
}
export interface ProcessAnswer {
  exitCode: number | null;
  /** At most `outputBytesMax` of each: of what is longer, the end. */
  stdout: string;
  stderr: string;
  /** Why it did not come to its end; null: it did. */
  stopped: string | null;
}
/** Runs one process to its end. Never rejects. */
export type RunProcess = (request: ProcessRequest) => Promise<ProcessAnswer>;

/** A list of 1,000 refs; more than anybody reads of an error. */
export const outputBytesMax = 256 * 1024;

export interface GitCredentials {
  token: string | null;
  /** With the token. Default: what the large hosts accept with any token. */
  username: string | null;
  /** Private key, as in its file. */
  sshKey: string | null;
  /** Lines of `known_hosts`; null: a host that is met for the first time is believed, and remembered. */
  knownHosts: string | null;
}
export interface GitOptions {
  run: RunProcess;
  /** Of the program. */
  path: string;
  /** Of the runner's own environment: PATH, proxies and certificates. */
  inherited: Readonly<Record<string, string | undefined>>;
  address: RepositoryAddress;
  credentials: GitCredentials;
  /** For key and hosts files; removed by its owner. */
  privateFolder: () => string;
  /** Hosts that were met before, for as long as nobody names them. */
  hostsFile: string;
  timeoutMs: number;
}
export interface GitCall {
  cwd: string;
  gitDir?: string;
  workTree?: string;
  indexFile?: string;
  /** It speaks with the repository's host, and may log in there. */
  remote?: boolean;
}
export interface Git {
  readonly address: RepositoryAddress;
  /** What it printed. @throws GitFailed */
  (args: readonly string[], call: GitCall): Promise<string>;
}

/** A git command that did not do its work. The message is complete and for people. */
export class GitFailed extends Error {
  override readonly name = "GitFailed";
  readonly exitCode: number | null;
  constructor(message: string, exitCode: number | null) {
    super(message);
    this.exitCode = exitCode;
  }
}

/** Enough of the program's own words for somebody who has to mend it. */
const wordsMax = 600;
const passedOn = ["PATH", "TMPDIR", "SSL_CERT_FILE", "SSL_CERT_DIR", "GIT_SSL_CAINFO"];
const proxies = ["http_proxy", "https_proxy", "HTTPS_PROXY", "no_proxy", "NO_PROXY", "ALL_PROXY"];

export function createGit(options: GitOptions): Git {
  const { address, run, path, timeoutMs } = options;
  const local = baseEnvironment(options, "file", localSettings);
  let remote: Record<string, string> | null = null;
  const git = async (args: readonly string[], call: GitCall): Promise<string> => {
    const env = call.remote ? (remote ??= remoteEnvironment(options)) : local;
    const answer = await run({
      path,
      args,
      cwd: call.cwd,
      timeoutMs,
      env: {
        ...env,
        ...(call.gitDir === undefined ? {} : { GIT_DIR: call.gitDir }),
        ...(call.workTree === undefined ? {} : { GIT_WORK_TREE: call.workTree }),
        ...(call.indexFile === undefined ? {} : { GIT_INDEX_FILE: call.indexFile }),
      },
    });
    if (answer.stopped === null && answer.exitCode === 0) return answer.stdout;
    const words = answer.stderr.trim().slice(-wordsMax);
    const why = answer.stopped ?? `code ${answer.exitCode}`;
    throw new GitFailed(
      `git ${args[0]} failed (${why})${words ? `: ${words}` : ""}`,
      answer.exitCode,
    );
  };
  return Object.assign(git, { address });
}

type Settings = readonly (readonly [key: string, value: string])[];
/** Stronger than any file: a repository's own settings name programs that git would run. */
const localSettings: Settings = [
  ["core.hooksPath", "/dev/null"],
  ["core.fsmonitor", "false"],
  ["core.untrackedCache", "false"],
  ["gc.auto", "0"],
  // Whole packs are linked, not thousands of files.
  ["fetch.unpackLimit", "1"],
  ["maintenance.auto", "false"],
  ["advice.detachedHead", "false"],
  ["advice.addEmbeddedRepo", "false"],
  ["submodule.recurse", "false"],
  ["commit.gpgSign", "false"],
];

function baseEnvironment(
  { inherited }: GitOptions,
  protocols: string,
  settings: Settings,
): Record<string, string> {
  const env: Record<string, string> = {};
  for (const name of [...passedOn, ...proxies]) {
    const value = inherited[name];
    if (value !== undefined) env[name] = value;
  }
  for (const [at, [key, value]] of settings.entries()) {
    env[`GIT_CONFIG_KEY_${at}`] = key;
    env[`GIT_CONFIG_VALUE_${at}`] = value;
  }
  return {
    ...env,
    GIT_CONFIG_COUNT: String(settings.length),
    GIT_CONFIG_NOSYSTEM: "1",
    GIT_CONFIG_GLOBAL: "/dev/null",
    GIT_ATTR_NOSYSTEM: "1",
    GIT_ALLOW_PROTOCOL: protocols,
    GIT_TERMINAL_PROMPT: "0",
    // Without it git would look for a helper with a window.
    GIT_ASKPASS: "true",
    GIT_LFS_SKIP_SMUDGE: "1",
    // Errors are read.
    LC_ALL: "C",
    HOME: "/nonexistent",
    GIT_AUTHOR_NAME: "Reveille",
    GIT_AUTHOR_EMAIL: "runner@reveille.invalid",
    GIT_COMMITTER_NAME: "Reveille",
    GIT_COMMITTER_EMAIL: "runner@reveille.invalid",
  };
}

/** The token is in a variable that only the helper reads, which git asks for that very host. */
export const tokenHelper =
  '!f() { test "$1" = get || exit 0; echo "username=${REVEILLE_GIT_USERNAME:-x-access-token}"; echo "password=$REVEILLE_GIT_TOKEN"; }; f';

function remoteEnvironment(options: GitOptions): Record<string, string> {
  const { address, credentials } = options;
  const { token, username } = credentials;
  const login = token !== null && address.origin !== null;
  const env = baseEnvironment(options, address.protocol, [
    ...localSettings,
    ...(login ? ([[`credential.${address.origin}.helper`, tokenHelper]] as const) : []),
  ]);
  if (login) env["REVEILLE_GIT_TOKEN"] = token;
  if (login && username !== null) env["REVEILLE_GIT_USERNAME"] = username;
  if (address.protocol === "ssh") env["GIT_SSH_COMMAND"] = sshCommand(options);
  return env;
}

/** Nothing of the machine's own ssh settings, agents or keys: what an agent may reach is its secrets' to say. */
function sshCommand({ credentials, privateFolder, hostsFile }: GitOptions): string {
  const { sshKey, knownHosts } = credentials;
  const file = (name: string, text: string): string => {
    const path = `${privateFolder()}/${name}`;
    writeFileSync(path, text.endsWith("\n") ? text : `${text}\n`, { mode: 0o600 });
    return path;
  };
  const hosts = knownHosts === null ? hostsFile : file("known_hosts", knownHosts);
  const options = [
    "BatchMode=yes",
    "IdentitiesOnly=yes",
    "IdentityAgent=none",
    "ConnectTimeout=15",
    `StrictHostKeyChecking=${knownHosts === null ? "accept-new" : "yes"}`,
    `UserKnownHostsFile=${hosts}`,
    "GlobalKnownHostsFile=/dev/null",
    `IdentityFile=${sshKey === null ? "none" : file("key", sshKey)}`,
  ];
  // Read by a shell: paths may hold blanks.
  return `ssh -F /dev/null ${options.map((option) => `-o '${option.replaceAll("'", "'\\''")}'`).join(" ")}`;
}
