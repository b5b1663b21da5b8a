/**
 * What a waiting shell is told to become: working directory, environment and command as one compound
 * command, every value between single quotes. Pure. What a shell would not pass on as it is, is not
 * written at all: the caller then starts the process the slower way.
 */

export interface StartSpec {
  /** Absolute. */
  path: string;
  args: readonly string[];
  /** Absolute. */
  cwd: string;
  env: Readonly<Record<string, string>>;
  /** File that is its standard input, absolute; absent: nothing is. */
  inputPath?: string;
}

/**
 * Characters of all values together. Below the 128 KiB that the kernel takes for one argument, so "too
 * long" is still said by the kernel alone, and in any coding below what a pipe between processes holds
 * (about 200 KiB): orders arrive in one piece or not at all.
 */
const charsMax = 32 * 1024;
/** Variables that dash, bash or busybox own: assigning them means something to the shell, or ends it. */
const ownedByShells =
  /^(_|BASH.*|COMP_.*|DIRSTACK|EPOCH.*|EUID|FUNCN.*|GROUPS|HIST.*|IFS|LINENO|MAIL.*|OLDPWD|OPT(ARG|ERR|IND)|PIPESTATUS|POSIXLY_CORRECT|PPID|PS[0-9]|PWD|RANDOM|SECONDS|SHELLOPTS|SHLVL|SRANDOM|TMOUT|UID)$/;
const namePattern = /^[A-Za-z_][A-Za-z0-9_]*$/;

/** Every byte but NUL stands for itself between single quotes; a quote ends them, and is put in between. */
export const quoted = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`;

/**
 * The text to write to a shell that reads its commands from standard input; null when it cannot be done
 * that way. Braces: a shell runs nothing of a compound command before it has read its end, so orders cut
 * short start nothing. Code 119, silent: the directory has gone.
 */
export function shellOrders({ path, args, cwd, env, inputPath }: StartSpec): string | null {
  const variables = Object.entries(env);
  let chars = path.length + cwd.length + (inputPath?.length ?? 0);
  for (const arg of args) chars += arg.length + 3;
  for (const [name, value] of variables) chars += name.length + value.length + 11;
  const input = inputPath ?? "/dev/null";
  if (chars > charsMax || ![path, cwd, input].every((one) => one.startsWith("/"))) return null;
  for (const [name] of variables)
    if (!namePattern.test(name) || ownedByShells.test(name)) return null;
  const text = [
    "{",
    `cd -P -- ${quoted(cwd)} 2>/dev/null || exit 119`,
    // What `cd` adds. PWD stays: a shell that is started in the directory passes it on as well.
    "unset OLDPWD",
    ...variables.map(([name, value]) => `export ${name}=${quoted(value)}`),
    `exec ${[path, ...args].map(quoted).join(" ")} <${quoted(input)}`,
    "}",
    "",
  ].join("\n");
  return text.includes("\0") ? null : text;
}
