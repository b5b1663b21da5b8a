/**
 * Traces, as services make them: a port, off unless an endpoint is configured. A trace context is a W3C
 * `traceparent`, plain text that travels in headers, rows and decisions; a span is told when it is over, with
 * the context that was made for it before. So what lasts for hours needs nobody who holds it open, and what is
 * not traced costs nothing. Knows no exporter.
 */

export type SpanKind = "server" | "producer" | "consumer" | "internal";
export interface SpanRecord {
  name: string;
  /** Its own, as `child` or `named` gave it. */
  context: string;
  /** Null: it begins its trace. */
  parent: string | null;
  kind?: SpanKind;
  /** Milliseconds since 1970, fractions welcome. */
  startMs: number;
  endMs: number;
  attributes?: Readonly<Record<string, string | number | boolean | null | undefined>>;
  /** Contexts of other traces that this one has to do with. */
  links?: readonly string[];
  /** Why it failed; null or absent: it did not. */
  error?: string | null;
}

export interface Tracing {
  /** False: nothing is recorded. A context that somebody else began travels on all the same. */
  readonly on: boolean;
  /** The context of a new span under `parent`, or of a new trace. Off: the parent itself. */
  child(parent: string | null): string | null;
  /**
   * The context of the one span under `parent` that belongs to a UUID: whoever knows both knows it, without
   * being told and before it is recorded. Off: the parent itself.
   */
  named(parent: string, id: string): string;
  /** Tells a span that is over. Never throws and never waits. */
  record(span: SpanRecord): void;
  /** Sends what was recorded, for 5 s at most. Never rejects. */
  close(): Promise<void>;
}

export const noTracing: Tracing = {
  on: false,
  child: (parent) => parent,
  named: (parent) => parent,
  record: () => undefined,
  close: async () => undefined,
};

export interface TraceContext {
  traceId: string;
  spanId: string;
  /** Two hex digits; the last bit says whether it is sampled. */
  flags: string;
}

/** Version, trace, span, flags; later versions may have more behind, which is cut off (W3C Trace Context, section 3.2). */
const pattern =
  /^(?!ff)([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(-.{0,200})?$/;

/** What a header says, as we pass it on; null when it is none, which is no error: whoever sent it is traced without us. */
export function readTraceparent(header: string | undefined | null): string | null {
  const [, version, traceId, spanId, flags, more] = pattern.exec(header ?? "") ?? [];
  if (version === undefined || (version === "00" && more !== undefined)) return null;
  return `00-${traceId}-${spanId}-${flags}`;
}

/** The parts of a context that `readTraceparent`, `child` or `named` gave. */
export function partsOf(traceparent: string): TraceContext {
  const [, traceId, spanId, flags] = traceparent.split("-") as [string, string, string, string];
  return { traceId, spanId, flags };
}

/** For logs: the id by which people find the trace; undefined without one, so that the key is left out. */
export const traceIdOf = (traceparent: string | null | undefined): string | undefined =>
  traceparent ? partsOf(traceparent).traceId : undefined;

/** 16 hex digits: a span's id. The end of a UUID is its random part, whatever its version. */
const spanIdDigits = 16;

/** `named` of a tracing that is on: same trace, same flags. */
export function namedContext(parent: string, id: string): string {
  const { traceId, flags } = partsOf(parent);
  return `00-${traceId}-${id.replaceAll("-", "").slice(-spanIdDigits)}-${flags}`;
}
