// Bytes of a stored message become a delivery, or a reason that names the field; nothing here throws.
import { headers } from "@reveille/shared/protocol/headers";
import fc from "fast-check";
import { expect, test } from "vitest";
import { readMessage } from "./decode.js";

const company = "00000000-0000-4000-8000-00000000000a";
const agent = "00000000-0000-4000-8000-00000000000b";
const stored = (kind: string, body: unknown, replyTo?: string) => ({
  subject: `1.17.${company}.${agent}.${kind}`,
  seq: 42,
  timestampNs: 1_767_225_600_123_000_000n,
  behindCount: 0,
  data: body instanceof Uint8Array ? body : Buffer.from(JSON.stringify(body)),
  header: (name: string) => (name === headers.replyTo ? replyTo : undefined),
});

test("a direct wake is what its subject says, whatever it claims to be", () => {
  const read = readMessage(
    stored("wake", {
      id: "w",
      source: "timer",
      requestedByActorType: "user",
      contextSnapshot: { a: 1 },
      reason: "r",
    }),
  );
  expect(read).toMatchObject({
    kind: "delivery",
    delivery: {
      companyId: company,
      agentId: agent,
      partition: 17,
      sequence: 42,
      atMs: 1_767_225_600_123,
      encoding: "json",
    },
  });
  expect(read.kind === "delivery" && read.delivery.message.body).toEqual({
    id: "w",
    reason: "r",
    source: "automation",
    requestedByActorType: "system",
    requestedByActorId: company,
  });
});

test("a gateway's request is believed", () => {
  const read = readMessage(stored("request", { source: "assignment", contextSnapshot: { a: 1 } }));
  expect(read.kind === "delivery" && read.delivery.message).toMatchObject({
    kind: "wake",
    body: { source: "assignment", contextSnapshot: { a: 1 } },
  });
});

test.each([
  ["wake", { id: "a b" }, "id"],
  ["wake", { id: 7 }, "id"],
  ["wake", { id: "x".repeat(129) }, "id"],
  ["wake", { reason: "x".repeat(201) }, "reason"],
  ["wake", { payload: [] }, "payload"],
  ["wake", { payload: { issueId: "a.*.>" } }, "payload.issueId"],
  ["wake", { idempotencyKey: "" }, "idempotencyKey"],
  ["request", { source: "nobody" }, "source"],
  ["request", { triggerDetail: "x" }, "triggerDetail"],
  ["request", { contextSnapshot: { issueId: 7 } }, "contextSnapshot.issueId"],
  ["wake", Buffer.from("garbage"), ""],
  ["wake", Buffer.from('{"a":'), ""],
])("a bad %s %j is refused and names %j", (kind, body, field) => {
  const read = readMessage(stored(kind, body));
  expect(read.kind).toBe("invalid-wake");
  expect(read.kind === "invalid-wake" && read.issues.map(({ path }) => path.join("."))).toEqual([
    field,
  ]);
});

const claim = { runId: agent, attempt: 1, claimId: agent, incarnation: agent };
test.each([
  ["cancel", {}, /^runId: /],
  ["cancel", { runId: "*" }, /^runId: must be a UUID/],
  ["grant", { issueId: agent, runId: agent }, /^wakeId: /],
  ["timer", { id: "t", dueAtMs: "soon" }, /^dueAtMs: /],
  ["expired", { ...claim, attempt: 0 }, /^attempt: /],
  ["run.started", claim, /^runnerId: /],
  ["run.lost", { ...claim, reason: "bored" }, /^reason: /],
  ["run.progress", { ...claim, progressId: 1, events: [{}] }, /^events\.0\.eventType: /],
  ["run.finished", { ...claim, result: {} }, /result\.exitCode: /],
  ["configure", { name: "" }, /^name: /],
  ["pause", Buffer.from("x"), /^payload is neither/],
  ["reset-everything", {}, /^unknown kind reset-everything/],
])("a bad %s %j becomes a dead letter that says why", (kind, body, reason) => {
  const read = readMessage(stored(kind, body));
  expect(read.kind === "dead" ? read.reason : read.kind).toMatch(reason);
});

test.each(["toString", "constructor", "__proto__"])("the kind %s is unknown", (kind) => {
  expect(readMessage(stored(kind, {}))).toMatchObject({ kind: "dead" });
});

test("a subject that is no mailbox is a dead letter", () => {
  expect(readMessage({ ...stored("wake", {}), subject: "1.17.x.y.wake" })).toMatchObject({
    kind: "dead",
    address: null,
  });
});

test.each([
  ["wake", "_INBOX.a.b", true],
  ["wake", "_INBOX_gateway.a", false],
  ["request", "_INBOX_gateway-1.a", true],
  ["wake", "rv.exec.pool.x", false],
  ["wake", "_INBOX.>", false],
  ["wake", "_INBOX.*", false],
  ["wake", "_INBOX.", false],
  ["wake", "_INBOX.a b", false],
  ["wake", `_INBOX.${"a".repeat(250)}`, false],
  ["request", "$JS.API.STREAM.DELETE.MAILBOX", false],
])("for a %s the answer may go to %j: %s", (kind, subject, allowed) => {
  const read = readMessage(stored(kind, {}, subject));
  expect(read.kind === "delivery" && read.delivery.replyTo).toBe(allowed ? subject : null);
});

test("whatever the kind and the bytes, nothing is thrown", () => {
  const kind = fc.oneof(fc.constantFrom("wake", "request", "cancel", "run.finished"), fc.string());
  fc.assert(
    fc.property(kind, fc.uint8Array({ maxLength: 64 }), fc.jsonValue(), (name, bytes, value) => {
      fc.pre(!(name in {})); // the known defect above
      for (const body of [bytes, value])
        expect(["delivery", "invalid-wake", "dead"]).toContain(
          readMessage(stored(name, body)).kind,
        );
    }),
  );
});

test("a message of an older generation stands where it is met, and keeps its own id", () => {
  const message = stored("wake", {});
  const [before, now] = [readMessage(message, 0), readMessage(message, 7)];
  if (before.kind !== "delivery" || now.kind !== "delivery") throw new Error("not read");
  expect(now.delivery).toEqual({ ...before.delivery, generation: 7 });
});

// Word for word what nats-server 2.15 answers; whoever may publish one request chooses where such an answer goes.
test.each([
  ["an acknowledgement", '{"stream":"MAILBOX","seq":1}'],
  [
    "a refusal",
    '{"error":{"code":400,"err_code":10060,"description":"x"},"stream":"MAILBOX","seq":0}',
  ],
  [
    "a consumer that was made",
    '{"type":"io.nats.jetstream.api.v1.consumer_create_response","config":{"metadata":{"reason":"x"}}}',
  ],
  ["a status, of which nothing is stored", ""],
])("%s is nobody's message", (_, text) => {
  for (const kind of ["pause", "terminate", "delete", "cancel-all", "admit", "reset-session"])
    expect([kind, readMessage(stored(kind, Buffer.from(text))).kind]).toEqual([kind, "dead"]);
  for (const kind of ["wake", "request"])
    expect([kind, readMessage(stored(kind, Buffer.from(text))).kind]).toEqual([
      kind,
      "invalid-wake",
    ]);
});
