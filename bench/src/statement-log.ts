/**
 * Counts SQL statements from the server's own log (`log_statement = all`): what really arrived, by whom. Needs
 * no extension, so it works on every Postgres. Pure: text in, counts out.
 */

export interface StatementCount {
  /** The connection's application_name. */
  client: string;
  /** The text in one line, at most 160 characters. */
  text: string;
  count: number;
  /** Tables that one execution writes: statements may be glued together, work may not be hidden so. */
  writes: number;
}

/** Prefix `@<client>@ `, then what the server logs for simple and for prepared statements. */
const entry = /^@([^@]*)@ LOG: {2}(?:statement|execute [^:]*): (.*)$/;

/** Counts the statements in a piece of log, most frequent first. Lines of a statement go on with a tab. */
export function countStatements(log: string): StatementCount[] {
  const counts = new Map<string, StatementCount>();
  let current: { client: string; text: string } | undefined;
  const finish = (): void => {
    if (!current) return;
    const text = current.text.replace(/\s+/g, " ").trim();
    const key = `${current.client} ${text}`;
    const known = counts.get(key);
    if (known) known.count += 1;
    else
      counts.set(key, {
        client: current.client,
        text: text.slice(0, 160),
        count: 1,
        writes: text.match(writing)?.length ?? 0,
      });
    current = undefined;
  };
  for (const line of log.split("\n")) {
    const found = entry.exec(line);
    if (found) {
      finish();
      current = { client: found[1]!, text: found[2]! };
    } else if (line.startsWith("\t") && current) current.text += ` ${line}`;
    else finish();
  }
  finish();
  return [...counts.values()].toSorted((a, b) => b.count - a.count);
}

/** `update` begins a write unless it belongs to `on conflict do update` or `for update`. */
const writing = /\binsert into\b|\bdelete from\b|(?<!\bdo )(?<!\bfor )(?<!\bkey )\bupdate\b/gi;
