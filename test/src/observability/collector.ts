// Owns the other end of tracing in tests: an OTLP/HTTP collector on loopback that keeps the spans it is sent, as JSON. Knows no span of ours.
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { until } from "../harness/until.js";

export interface Span {
  traceId: string;
  spanId: string;
  /** Empty: it begins its trace. */
  parentSpanId: string;
  name: string;
  /** OTLP's number: 1 internal, 2 server, 4 producer, 5 consumer. */
  kind: number;
  startMs: number;
  endMs: number;
  attributes: Record<string, string | number | boolean>;
  links: { traceId: string; spanId: string }[];
  /** True when its status is an error. */
  failed: boolean;
  /** `service.name` of the process that sent it. */
  service: string;
  resource: Record<string, string | number | boolean>;
}

export interface Collector {
  /** For `OTEL_EXPORTER_OTLP_ENDPOINT`. */
  readonly endpoint: string;
  spans(traceId: string): Span[];
  all(): Span[];
  /** Resolves with a trace when it has a span of each name. */
  trace(traceId: string, names: readonly string[]): Promise<Span[]>;
  stop(): Promise<void>;
}

interface Value {
  stringValue?: string;
  intValue?: number | string;
  doubleValue?: number;
  boolValue?: boolean;
}
type Attributes = { key: string; value: Value }[];
interface Sent {
  resourceSpans: {
    resource: { attributes: Attributes };
    scopeSpans: { spans: SentSpan[] }[];
  }[];
}
interface SentSpan {
  traceId: string;
  spanId: string;
  parentSpanId?: string;
  name: string;
  kind: number;
  startTimeUnixNano: string;
  endTimeUnixNano: string;
  attributes?: Attributes;
  links?: { traceId: string; spanId: string }[];
  status?: { code?: number };
}

const nsPerMs = 1e6;
const errorCode = 2;

export async function startCollector(): Promise<Collector> {
  const received: Span[] = [];
  const server = createServer((request, response) => {
    const parts: Buffer[] = [];
    request.on("data", (part: Buffer) => parts.push(part));
    request.on("end", () => {
      if (request.url === "/v1/traces")
        received.push(...read(JSON.parse(Buffer.concat(parts).toString()) as Sent));
      response.writeHead(request.url === "/v1/traces" ? 200 : 404, {
        "content-type": "application/json",
      });
      response.end("{}");
    });
  });
  await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
  const spans = (traceId: string): Span[] => received.filter((span) => span.traceId === traceId);
  return {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    spans,
    all: () => [...received],
    trace: (traceId, names) =>
      until(
        `trace ${traceId} is complete`,
        () => {
          const seen = spans(traceId);
          return names.every((name) => seen.some((span) => span.name === name)) && seen;
        },
        { describe: () => ({ wanted: names, seen: spans(traceId).map(({ name }) => name) }) },
      ),
    stop: () =>
      new Promise((stopped) => {
        server.close(() => stopped());
        server.closeAllConnections();
      }),
  };
}

const read = ({ resourceSpans }: Sent): Span[] =>
  resourceSpans.flatMap(({ resource, scopeSpans }) => {
    const about = valuesOf(resource.attributes);
    return scopeSpans.flatMap((scope) =>
      scope.spans.map((span): Span => ({
        traceId: span.traceId,
        spanId: span.spanId,
        parentSpanId: span.parentSpanId ?? "",
        name: span.name,
        kind: span.kind,
        startMs: Number(span.startTimeUnixNano) / nsPerMs,
        endMs: Number(span.endTimeUnixNano) / nsPerMs,
        attributes: valuesOf(span.attributes ?? []),
        links: (span.links ?? []).map((link) => ({ traceId: link.traceId, spanId: link.spanId })),
        failed: span.status?.code === errorCode,
        service: String(about["service.name"]),
        resource: about,
      })),
    );
  });

const valuesOf = (attributes: Attributes): Span["attributes"] =>
  Object.fromEntries(
    attributes.map(({ key, value }) => [
      key,
      value.stringValue ?? value.boolValue ?? value.doubleValue ?? Number(value.intValue),
    ]),
  );
