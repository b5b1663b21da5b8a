// Owns what makes two recordings of one scenario comparable: ids, times, tokens, folders and addresses become names, the same ones in
// every recording because they are given in the order in which things are seen. Knows no server.
const uuids = /[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g;
const times = /\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?(Z|\+00(:00)?)?/g;

/** By the name of the field alone: values that never repeat. */
const byField: Readonly<Record<string, string>> = {
  logSha256: "<sha256>",
  log_sha256: "<sha256>",
  token: "<token>",
  keyHash: "<hash>",
  key_hash: "<hash>",
  issuePrefix: "<PFX>",
  issue_prefix: "<PFX>",
  PATH: "<path>",
};

/** Where a scenario takes place: what must not show in its recording. */
export interface Place {
  /** The server's base URL. */
  base: string;
  /** The scenario's own folder. */
  folder: string;
  /** Where the server's process runs, if that is known. */
  serverCwd?: string | undefined;
}

export class Names {
  readonly #place: Place;
  readonly #labels = new Map<string, string>();
  readonly #counts = new Map<string, number>();

  constructor(place: Place) {
    this.#place = place;
  }

  /** How many of a kind have a name. */
  count(kind: string): number {
    return this.#counts.get(kind) ?? 0;
  }

  /** Names an id, the first time only; without a label by number. */
  give(kind: string, id: unknown, label?: string): void {
    if (typeof id !== "string" || this.#labels.has(id)) return;
    const number = this.count(kind) + 1;
    this.#counts.set(kind, number);
    this.#labels.set(id, `<${kind}:${label ?? number}>`);
  }

  /** A copy in which everything that differs from run to run has its name; keys are sorted. */
  normalise(value: unknown, field?: string): unknown {
    if (value === null || value === undefined) return null;
    if (value instanceof Date) return "<ts>";
    if (typeof value === "bigint") return Number(value);
    if (typeof value === "string") return byField[field ?? ""] ?? this.#text(value, field);
    if (Array.isArray(value)) return value.map((item) => this.normalise(item));
    if (typeof value !== "object") return value;
    const entries = Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1));
    return Object.fromEntries(
      entries.map(([key, inner]) =>
        key === "id" && typeof inner === "number"
          ? [key, "<serial>"]
          : [this.#text(key), this.normalise(inner, key)],
      ),
    );
  }

  #text(value: string, field?: string): string {
    const { base, folder, serverCwd } = this.#place;
    if (field === "cwd" && value === serverCwd) return "<server-cwd>";
    return value
      .replace(uuids, (id) => {
        this.give("id", id);
        return this.#labels.get(id) ?? id;
      })
      .replace(times, "<ts>")
      .replaceAll(folder, "<tmp>")
      .replace(/\/[\w/.-]*\/instances\/default\//g, "<home>/")
      .replace(/eyJ[\w-]+\.[\w-]+\.[\w-]+/g, "<jwt>")
      .replaceAll(base, "<base>")
      .replaceAll(`localhost:${new URL(base).port}`, "<host>")
      .replace(/pcp_[0-9a-f]+/g, "<token>")
      .replace(/PATH \([^)]*\)/g, "PATH (<path>)")
      .replace(/\b[A-Z]{2,}\d*-(\d+)\b/g, "<KEY>-$1");
  }
}
