// A wake and all that follows from it are one trace, whoever began it and however long it waited: over HTTP, over NATS, in a queue, behind
// an issue, joined to another run. Real services, and a collector that keeps what they tell.
import { randomBytes } from "node:crypto";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect, headers } from "@nats-io/transport-node";
import type { NatsConnection } from "@nats-io/transport-node";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { until } from "../harness/until.js";
import { createAgent, runIsOver, startWholeSystem } from "../harness/whole-system.js";
import type { Row, WholeSystem } from "../harness/whole-system.js";
import { startCollector } from "./collector.js";
import type { Collector, Span } from "./collector.js";

let collector: Collector;
let system: WholeSystem;
let client: NatsConnection;
let scratch: string;

/** Prints its own context; with a file named `hold` in its wake's task it waits until that is gone. */
const program = `
const { existsSync, writeFileSync } = require("node:fs");
console.log(process.env.TRACEPARENT ?? "none");
const hold = process.env.HOLD_DIR + "/" + (process.env.REVEILLE_TASK_KEY ?? "none");
if (existsSync(hold)) {
  writeFileSync(hold + ".started", "");
  const timer = setInterval(() => { if (!existsSync(hold)) clearInterval(timer); }, 20);
}`;

beforeAll(async () => {
  scratch = mkdtempSync(join(tmpdir(), "reveille-tracing-"));
  collector = await startCollector();
  const tracing = {
    OTEL_EXPORTER_OTLP_ENDPOINT: collector.endpoint,
    OTEL_RESOURCE_ATTRIBUTES: "deployment.environment=test",
  };
  system = await startWholeSystem({
    env: {
      gateway: tracing,
      "agent-actor": tracing,
      runner: { ...tracing, REVEILLE_LOG_LEVEL: "debug" },
    },
  });
  client = await connect({ servers: system.nats });
});
afterAll(async () => {
  await client?.close();
  await system?.stop();
  await collector?.stop();
  rmSync(scratch, { recursive: true, force: true });
});

const newTrace = () => {
  const traceId = randomBytes(16).toString("hex");
  const spanId = randomBytes(8).toString("hex");
  return { traceId, spanId, header: `00-${traceId}-${spanId}-01` };
};
const agent = (settings: Parameters<typeof createAgent>[2] = {}) =>
  createAgent(
    system,
    program.replaceAll("process.env.HOLD_DIR", JSON.stringify(scratch)),
    settings,
  );

async function wakeOverHttp(agentId: string, body: object, traceparent?: string): Promise<Row> {
  const response = await fetch(`${system.http}/api/agents/${agentId}/wakeup`, {
    method: "POST",
    headers: { "content-type": "application/json", ...(traceparent ? { traceparent } : {}) },
    body: JSON.stringify(body),
  });
  expect(response.status).toBe(202);
  return (await response.json()) as Row;
}
async function wakeOverNats(
  { companyId, agentId }: { companyId: string; agentId: string },
  id: string,
  traceparent?: string,
): Promise<void> {
  const h = headers();
  if (traceparent) h.set("traceparent", traceparent);
  const payload = JSON.stringify({ id, payload: { taskKey: id } });
  client.publish(`rv.${companyId}.agent.${agentId}.wake`, payload, { headers: h });
  await client.flush();
}
const runOfWake = (agentId: string, wakeId: string): Promise<string> =>
  until("the wake has a run", async () => {
    const found = await system.database.query<{ id: string }>(
      "select id from heartbeat_runs where agent_id = $1 and wake_id = $2",
      [agentId, wakeId],
    );
    return found.rows[0]?.id;
  });

const one = (spans: readonly Span[], name: string): Span => {
  const found = spans.filter((span) => span.name === name);
  expect(found, name).toHaveLength(1);
  return found[0]!;
};
/** Each name under the name of its parent; a parent outside of the trace's spans is its id. */
function parentsOf(spans: readonly Span[]): Record<string, string> {
  const names = new Map(spans.map((span) => [span.spanId, span.name]));
  const own = ({ parentSpanId }: Span): string => names.get(parentSpanId) ?? parentSpanId;
  const tree = new Map(
    spans.filter(({ name }) => !steps.has(name)).map((span) => [span.name, own(span)]),
  );
  // A run that lasts for more than a moment tells of itself on the way.
  expect(tree.get("mailbox run.progress") ?? "process").toBe("process");
  tree.delete("mailbox run.progress");
  return Object.fromEntries(tree);
}
/** What each message has. */
const steps = new Set(["mailbox wait", "decide", "commit"]);
const runSpans = [
  "run",
  "queue wait",
  "dispatch",
  "attempt",
  "pool wait",
  "claim",
  "start",
  "process",
  "report",
  "mailbox run.started",
  "mailbox run.finished",
];
const runTree = {
  run: "mailbox wake",
  "queue wait": "run",
  dispatch: "run",
  attempt: "dispatch",
  "pool wait": "attempt",
  claim: "attempt",
  start: "attempt",
  process: "attempt",
  report: "attempt",
  "mailbox run.started": "claim",
  "mailbox run.finished": "report",
};

describe("a wake over HTTP", () => {
  test("goes on with its caller's trace, and the whole run stands under it", async () => {
    const { companyId, agentId } = await agent();
    const caller = newTrace();
    const run = await wakeOverHttp(agentId, {}, caller.header);
    const over = await runIsOver(system, String(run["id"]));
    const spans = await collector.trace(caller.traceId, [...runSpans, "publish wake"]);
    const request = "POST /api/agents/:agentId/wakeup";
    expect(parentsOf(spans)).toEqual({
      [request]: caller.spanId,
      "publish wake": request,
      "mailbox wake": "publish wake",
      ...runTree,
    });
    for (const message of ["mailbox wake", "mailbox run.started", "mailbox run.finished"]) {
      const { spanId } = one(spans, message);
      const parts = spans.filter(
        ({ parentSpanId, name }) => parentSpanId === spanId && steps.has(name),
      );
      expect(parts.map(({ name }) => name).sort()).toEqual(["commit", "decide", "mailbox wait"]);
    }
    const services = (name: string): string => one(spans, name).service;
    expect([request, "run", "process"].map(services)).toEqual([
      "reveille-gateway",
      "reveille-agent-actor",
      "reveille-runner",
    ]);
    expect(one(spans, "run").resource["deployment.environment"]).toBe("test");
    const ids = {
      "reveille.company.id": companyId,
      "reveille.agent.id": agentId,
      "reveille.run.id": run["id"],
    };
    expect(one(spans, "run").attributes).toMatchObject({
      ...ids,
      "reveille.run.status": "succeeded",
      "reveille.run.attempts": 1,
      "reveille.pool": "default",
    });
    expect(one(spans, "attempt").attributes).toMatchObject({ ...ids, "reveille.attempt": 1 });
    expect(one(spans, "mailbox wake").attributes).toMatchObject({
      ...ids,
      "reveille.wake.outcome": "queued",
    });
    expect(one(spans, "process").attributes).toMatchObject({ "process.exit.code": 0 });
    // The agent's own spans would stand under the span of its process.
    const { spanId } = one(spans, "process");
    expect(over["stdoutExcerpt"]).toBe(`00-${caller.traceId}-${spanId}-01\n`);
    expect(over["traceparent"]).toMatch(new RegExp(`^00-${caller.traceId}-[0-9a-f]{16}-01$`));
    for (const span of spans) expect(span.endMs, span.name).toBeGreaterThanOrEqual(span.startMs);
    // The way of a run in time: each begins when the one before it is over, or while it is.
    const begins = ["queue wait", "dispatch", "claim", "start", "process", "report"].map(
      (name) => one(spans, name).startMs,
    );
    // 5 ms: moments are told in whole milliseconds, some of them by JetStream.
    for (const [at, ms] of begins.entries())
      if (at > 0) expect(ms).toBeGreaterThan(begins[at - 1]! - 5);
  });

  test("that a caller does not want recorded is not, and its agent knows", async () => {
    const { agentId } = await agent();
    const caller = newTrace();
    const run = await wakeOverHttp(agentId, {}, `00-${caller.traceId}-${caller.spanId}-00`);
    const over = await runIsOver(system, String(run["id"]));
    expect(over["stdoutExcerpt"]).toMatch(new RegExp(`^00-${caller.traceId}-[0-9a-f]{16}-00\n$`));
    // Another trace that is complete shows that what was recorded has arrived.
    const marker = newTrace();
    const next = await wakeOverHttp(agentId, {}, marker.header);
    await runIsOver(system, String(next["id"]));
    await collector.trace(marker.traceId, runSpans);
    expect(collector.spans(caller.traceId)).toEqual([]);
  });
});

describe("a wake over NATS", () => {
  test("goes on with its publisher's trace", async () => {
    const who = await agent();
    const publisher = newTrace();
    await wakeOverNats(who, "traced", publisher.header);
    await runIsOver(system, await runOfWake(who.agentId, "traced"));
    const spans = await collector.trace(publisher.traceId, runSpans);
    expect(parentsOf(spans)).toEqual({ "mailbox wake": publisher.spanId, ...runTree });
    expect(one(spans, "mailbox wake").attributes["reveille.wake.id"]).toBe("traced");
  });

  test("without one begins one, and so does what is none", async () => {
    const who = await agent();
    await wakeOverNats(who, "untraced");
    await wakeOverNats(who, "odd", "00-not-a-context");
    for (const wakeId of ["untraced", "odd"]) {
      const run = await runIsOver(system, await runOfWake(who.agentId, wakeId));
      const traceId = String(run["traceparent"]).split("-")[1]!;
      const spans = await collector.trace(traceId, runSpans);
      expect(parentsOf(spans)).toEqual({ "mailbox wake": "", ...runTree });
    }
  });
});

test("a run that waited in the queue while its actor host died is in the trace of its wake", async () => {
  const who = await agent({ runtimeConfig: { heartbeat: { maxConcurrentRuns: 1 } } });
  const hold = join(scratch, "first");
  writeFileSync(hold, "");
  const first = newTrace();
  const second = newTrace();
  await wakeOverNats(who, "first", first.header);
  await until("the first run is at work", () => existsSync(`${hold}.started`));
  await wakeOverNats(who, "second", second.header);
  const runId = await runOfWake(who.agentId, "second");
  // Two of a third task: the later one joins the earlier one's run, in its own trace.
  const joined = newTrace();
  const joining = newTrace();
  await wakeOverNats(who, "third", joined.header);
  const joinedRun = await runOfWake(who.agentId, "third");
  const h = headers();
  h.set("traceparent", joining.header);
  const again = JSON.stringify({ id: "joins", payload: { taskKey: "third" } });
  client.publish(`rv.${who.companyId}.agent.${who.agentId}.wake`, again, { headers: h });
  const [wake] = await collector.trace(joining.traceId, ["mailbox wake"]);
  expect(wake!.name === "mailbox wake" || steps.has(wake!.name)).toBe(true);

  system.stack.kill("agent-actor", 0, "SIGKILL");
  await system.stack.start("agent-actor", { OTEL_EXPORTER_OTLP_ENDPOINT: collector.endpoint });
  rmSync(hold);
  await runIsOver(system, runId);
  const spans = await collector.trace(second.traceId, runSpans);
  expect(parentsOf(spans)).toEqual({ "mailbox wake": second.spanId, ...runTree });
  const queued = one(spans, "queue wait");
  expect(queued.endMs).toBeGreaterThan(queued.startMs);

  await runIsOver(system, joinedRun);
  const target = one(await collector.trace(joined.traceId, runSpans), "run");
  const joiner = one(collector.spans(joining.traceId), "mailbox wake");
  expect(joiner.attributes["reveille.wake.outcome"]).toBe("coalesced");
  expect(joiner.links).toEqual([{ traceId: joined.traceId, spanId: target.spanId }]);
});

test("a wake that waited for its issue is in its own trace when its run starts", async () => {
  const holder = await agent();
  const waiter = await agent({ companyId: holder.companyId, name: "Waiter" });
  const issue = await system.call("POST", `/companies/${holder.companyId}/issues`, {
    title: "One",
  });
  const issueId = String(issue.body["id"]);
  const hold = join(scratch, issueId);
  writeFileSync(hold, "");
  await wakeOverHttp(holder.agentId, { payload: { issueId } });
  await until("the issue is held", () => existsSync(`${hold}.started`));
  const caller = newTrace();
  const answer = await wakeOverHttp(waiter.agentId, { payload: { issueId } }, caller.header);
  expect(answer).toMatchObject({ outcome: "deferred" });
  rmSync(hold);
  const runId = await runOfWake(waiter.agentId, String(answer["wakeId"]));
  await runIsOver(system, runId);
  const spans = await collector.trace(caller.traceId, runSpans);
  expect(parentsOf(spans)).toMatchObject(runTree);
  expect(one(spans, "mailbox wake").attributes["reveille.wake.outcome"]).toBe("deferred");
});

test("an assignment wakes in the trace of the request that made it", async () => {
  const { companyId, agentId } = await agent();
  const caller = newTrace();
  const response = await fetch(`${system.http}/api/companies/${companyId}/issues`, {
    method: "POST",
    headers: { "content-type": "application/json", traceparent: caller.header },
    body: JSON.stringify({ title: "Assigned", assigneeAgentId: agentId, status: "todo" }),
  });
  expect(response.status).toBe(201);
  const spans = await collector.trace(caller.traceId, runSpans);
  expect(parentsOf(spans)).toEqual({
    "POST /api/companies/:companyId/issues": caller.spanId,
    "mailbox wake": "POST /api/companies/:companyId/issues",
    ...runTree,
  });
});

test("every line of a runner about a run says which, and its trace", async () => {
  const { companyId, agentId } = await agent();
  const caller = newTrace();
  const run = await wakeOverHttp(agentId, {}, caller.header);
  const runId = String(run["id"]);
  await runIsOver(system, runId);
  const [runner] = system.stack.service("runner");
  const lines = readFileSync(runner!.logFile, "utf8")
    .split("\n")
    .filter((line) => line.startsWith("{"))
    .map((line) => JSON.parse(line) as Record<string, unknown>)
    .filter((line) => JSON.stringify(line).includes(runId));
  expect(lines.map(({ msg }) => msg)).toContain("process started");
  for (const line of lines)
    expect(line).toMatchObject({ companyId, agentId, runId, attempt: 1, traceId: caller.traceId });
});

test("a run that fails says so in its span", async () => {
  const { agentId } = await createAgent(system, "process.exit(3)");
  const caller = newTrace();
  const run = await wakeOverHttp(agentId, {}, caller.header);
  await runIsOver(system, String(run["id"]));
  const spans = await collector.trace(caller.traceId, runSpans);
  expect(one(spans, "run")).toMatchObject({ failed: true });
  expect(one(spans, "run").attributes["reveille.run.status"]).toBe("failed");
  expect(one(spans, "process").attributes["process.exit.code"]).toBe(3);
});
