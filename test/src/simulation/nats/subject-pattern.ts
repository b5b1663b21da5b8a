// Owns the matching of subjects with NATS' wildcards, and the transform of subjects that a stream applies on ingest. Pure.
import { partitionOf } from "@reveille/shared/protocol/partition";

/** A subject pattern, ready to be asked often. */
export type Matches = (subject: string) => boolean;

/** `*` is one token, `>` at the end one or more. */
export function matcher(pattern: string): Matches {
  if (pattern === ">") return () => true;
  const wanted = pattern.split(".");
  if (!isPattern(pattern)) return (subject) => subject === pattern;
  const open = wanted.at(-1) === ">";
  const fixed = open ? wanted.length - 1 : wanted.length;
  return (subject) => {
    // Token by token where they stand: asked for every message and every subscription.
    let from = 0;
    for (let at = 0; at < fixed; at += 1) {
      if (from > subject.length) return false;
      const dot = subject.indexOf(".", from);
      const to = dot < 0 ? subject.length : dot;
      const token = wanted[at]!;
      if (token !== "*" && !(to - from === token.length && subject.startsWith(token, from)))
        return false;
      from = to + 1;
    }
    return open ? from <= subject.length : from > subject.length;
  };
}

/** True when it can match more than itself. */
export const isPattern = (subject: string): boolean => /(^|\.)(\*|>)(\.|$)/.test(subject);

/** A stream's subject transform: `src` with wildcards, `dest` with `{{wildcard(n)}}`, `{{partition(count,n...)}}` and a final `>`. */
export function transformer(src: string, dest: string): (subject: string) => string {
  const matches = matcher(src);
  const source = src.split(".");
  const wildcards = source.flatMap((token, at) => (token === "*" ? [at] : []));
  const tailFrom = source.at(-1) === ">" ? source.length - 1 : source.length;
  const makers = dest.split(".").map(maker);
  return (subject) => {
    if (!matches(subject)) return subject;
    const tokens = subject.split(".");
    const captured = wildcards.map((at) => tokens[at]!);
    return makers.flatMap((make) => make(captured, tokens.slice(tailFrom))).join(".");
  };
}

type Maker = (captured: string[], tail: string[]) => string[];

function maker(token: string): Maker {
  if (token === ">") return (_, tail) => tail;
  if (!token.startsWith("{{")) return () => [token];
  const call = /^\{\{\s*(\w+)\(([\d,\s]*)\)\s*\}\}$/.exec(token);
  const [first = 0, ...rest] = (call?.[2] ?? "").split(",").map(Number);
  if (call?.[1] === "wildcard") return (captured) => [captured[first - 1]!];
  if (call?.[1] !== "partition")
    throw new Error(`the simulated server does not know the transform ${token}`);
  return (captured) => [String(partitionOf(rest.map((at) => captured[at - 1]!).join(""), first))];
}
