/** The payload of the event that says what an adapter was about to do, bounded. Pure. */
import type { Invocation } from "../adapter.js";

/** Characters of arguments and environment together: the report that carries them must stay small. */
const charsMax = 64 * 1024;
const cutMark = "[cut]";

export interface BoundedInvocation extends Invocation {
  adapterType: string;
}

/** The same, with everything beyond the bound cut; names are kept longer than values. */
export function boundedInvocation(invocation: BoundedInvocation): Record<string, unknown> {
  let left = charsMax;
  const take = (text: string): string => {
    const kept = text.length <= left ? text : `${text.slice(0, Math.max(0, left))}${cutMark}`;
    left -= kept.length;
    return kept;
  };
  const takeAll = (map: Readonly<Record<string, string>>): Record<string, string> => {
    const kept: Record<string, string> = {};
    for (const [name, value] of Object.entries(map)) {
      if (left <= 0) break;
      kept[take(name)] = take(value);
    }
    return kept;
  };
  const { adapterType, command, commandArgs, cwd, env, headers } = invocation;
  const bounded: Record<string, unknown> = { adapterType, command: take(command) };
  if (cwd !== undefined) bounded["cwd"] = take(cwd);
  if (commandArgs) {
    const kept: string[] = [];
    for (const arg of commandArgs) {
      if (left <= 0) break;
      kept.push(take(arg));
    }
    bounded["commandArgs"] = kept;
  }
  if (env) bounded["env"] = takeAll(env);
  if (headers) bounded["headers"] = takeAll(headers);
  return bounded;
}
