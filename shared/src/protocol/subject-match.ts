/** Does a subject lie below a pattern, as NATS means it: `*` is one token, a last `>` one or more. Pure. */
export function subjectMatches(pattern: string, subject: string): boolean {
  const wanted = pattern.split(".");
  const tokens = subject.split(".");
  for (const [at, token] of wanted.entries()) {
    if (token === ">" && at === wanted.length - 1) return tokens.length > at;
    const found = tokens[at];
    if (found === undefined || (token !== "*" && token !== found)) return false;
  }
  return tokens.length === wanted.length;
}
