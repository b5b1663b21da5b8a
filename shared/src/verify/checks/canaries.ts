/** I24: secret values, planted or real, are found nowhere, however they are written. Encrypted material is not looked into. */
import { storedMessages } from "../../nats/stored-messages.js";
import type { Check } from "../check.js";
import type { Evidence } from "../evidence.js";
import type { Found, Shown } from "../report.js";

/** Shorter ones are found in anything. */
export const canaryCharactersMin = 8;

/** A value as itself, base64 (its middle: what stands before it shifts the rest), hex, in a URL and in JSON. */
export function writtenForms(value: string): string[] {
  const bytes = Buffer.from(value);
  const base64 = [0, 1, 2].map((shift) => {
    const text = Buffer.concat([Buffer.alloc(shift), bytes])
      .toString("base64")
      .replace(/=+$/, "");
    return text.slice(shift === 0 ? 0 : 4, -2);
  });
  const forms = [
    value,
    ...base64,
    ...base64.map((text) => text.replaceAll("+", "-").replaceAll("/", "_")),
    bytes.toString("hex"),
    encodeURIComponent(value),
    JSON.stringify(value).slice(1, -1),
  ];
  return [...new Set(forms)].filter((form) => form.length >= canaryCharactersMin);
}

const columnsSql = `select c.table_name as "table", array_agg(quote_ident(c.column_name)) as columns from information_schema.columns c
  join information_schema.tables t on t.table_schema = c.table_schema and t.table_name = c.table_name and t.table_type = 'BASE TABLE'
  where c.table_schema = 'public' and c.data_type in ('text', 'jsonb', 'json', 'character varying')
    and not (c.table_name = 'company_secret_versions' and c.column_name = 'material')
  group by c.table_name order by c.table_name`;

async function absentFromRows({ snapshot, canaries, rowsMax }: Evidence): Promise<Found> {
  const forms = canaries!.flatMap(writtenForms);
  const tables = await snapshot.query<{ table: string; columns: string[] }>(columnsSql);
  let looked = 0;
  const wrong: Shown[] = [];
  let violations = 0;
  for (const { table, columns } of tables) {
    looked += await snapshot.count(`"${table}"`);
    const row = columns.map((column) => `coalesce(t.${column}::text, '')`).join(` || ' ' || `);
    const found = await snapshot.query<{ n: number; at: string }>(
      `select (count(*) over ())::float8 as n, t.ctid::text as at from "${table}" t
       where exists (select 1 from unnest($1::text[]) f(form) where strpos(${row}, f.form) > 0) limit ${rowsMax}`,
      [forms],
    );
    violations += found[0]?.n ?? 0;
    // The row is named, never shown: the report must not become the leak.
    wrong.push(...found.map(({ at }) => ({ table, ctid: at })));
  }
  return { looked, violations, rows: wrong.slice(0, rowsMax) };
}

/** Longest end of one log message that is looked at together with the next one of its run. */
const carriedMax = 4_096;
/** Runs whose last message is remembered; more at once are looked at message by message. */
const carriedRunsMax = 1_000;

async function absentFromStreams({ streams, canaries, rowsMax }: Evidence): Promise<Found> {
  const { bus, names } = streams!;
  const forms = canaries!.flatMap(writtenForms);
  const wrong: Shown[] = [];
  let looked = 0;
  const carried = new Map<string, string>();
  for (const stream of [names.mailbox, names.exec, names.logs, `KV_${names.issueLocks}`]) {
    carried.clear();
    for await (const { subject, seq, data } of storedMessages(bus, stream, stream === names.exec)) {
      looked += 1;
      const text = (carried.get(subject) ?? "") + Buffer.from(data).toString("latin1");
      if (stream === names.logs) {
        if (carried.size >= carriedRunsMax) carried.clear();
        carried.set(subject, text.slice(-carriedMax));
      }
      if (forms.some((form) => text.includes(Buffer.from(form).toString("latin1")))) {
        wrong.push({ stream, seq, subject });
        carried.delete(subject);
      }
    }
  }
  return { looked, violations: wrong.length, rows: wrong.slice(0, rowsMax) };
}

export const canaryChecks: readonly Check[] = [
  {
    invariant: "I24",
    title: "no row has a secret",
    unit: "rows",
    needs: ["canaries"],
    stage: "snapshot",
    run: absentFromRows,
  },
  {
    invariant: "I24",
    title: "no stored message has a secret",
    unit: "messages",
    needs: ["canaries", "streams"],
    stage: "settling",
    run: absentFromStreams,
  },
];
