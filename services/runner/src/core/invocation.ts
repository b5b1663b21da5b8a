/** The payload of the event that says what an adapter was about to do, bounded. Pure. */

/** Characters of arguments and environment together: the report that carries them must stay small. */
const charsMax = 64 * 1024;
const cutMark = "[cut]";

export interface Invocation {
  adapterType: string;
  command: string;
  commandArgs: string[];
  cwd: string;
  /** Secrets are hidden already. */
  env: Record<string, string>;
}

/** The same, with everything beyond the bound cut; names are kept longer than values. */
export function boundedInvocation(invocation: Invocation): Record<string, unknown> {
  let left = charsMax;
  const take = (text: string): string => {
    const kept = text.length <= left ? text : `${text.slice(0, Math.max(0, left))}${cutMark}`;
    left -= kept.length;
    return kept;
  };
  const env: Record<string, string> = {};
  const commandArgs: string[] = [];
  const { adapterType, command, cwd } = invocation;
  const head = { adapterType, command: take(command), cwd: take(cwd) };
  for (const arg of invocation.commandArgs) {
    if (left <= 0) break;
    commandArgs.push(take(arg));
  }
  for (const [name, value] of Object.entries(invocation.env)) {
    if (left <= 0) break;
    env[take(name)] = take(value);
  }
  return { ...head, commandArgs, env };
}
