// What a runner makes of what it pulls: an execution, something for another release, or nothing.
import type { WorkItem } from "@reveille/shared/nats/work-queue";
import { encodePayload } from "@reveille/shared/protocol/codec";
import { newId } from "@reveille/shared/protocol/ids";
import { protocolVersions } from "@reveille/shared/protocol/version";
import { createLogger } from "@reveille/shared/runtime/log";
import { expect, test } from "vitest";
import { readExecution } from "./pool-queue.js";

const execution = {
  companyId: newId(),
  agentId: newId(),
  agentName: "Ada",
  runId: newId(),
  attempt: 1,
  adapterType: "noop",
  adapterConfig: {},
  context: {},
  taskKey: null,
  issueId: null,
  session: null,
};

/** What was answered, and what was read. */
function pulled(data: Uint8Array): { answers: string[]; runId: string | undefined } {
  const answers: string[] = [];
  const item: WorkItem = {
    subject: "rv.exec.pool.default.x.y.1",
    data,
    deliveryCount: 1,
    ackSubject: "",
    storedAtMs: 0,
    header: () => undefined,
    ack: () => answers.push("ack"),
    working: () => answers.push("working"),
    nak: (delayMs) => answers.push(`nak ${delayMs}`),
    term: (reason) => answers.push(`term ${reason}`),
  };
  const read = readExecution(item, createLogger("test", "silent"));
  return { answers, runId: read?.runId };
}

test("an execution of this protocol, or from before there was one, is taken", () => {
  const { runId } = execution;
  expect(pulled(encodePayload(execution))).toEqual({ answers: [], runId });
  const now = { ...execution, protocol: protocolVersions.newest };
  expect(pulled(encodePayload(now))).toEqual({ answers: [], runId });
});

test("[F29] one of a newer protocol is given back for a newer runner, whatever it looks like", () => {
  const newer = { protocol: protocolVersions.newest + 1, allElse: "is different" };
  expect(pulled(encodePayload(newer))).toEqual({ answers: ["nak 5000"], runId: undefined });
});

test("what nobody can read is dropped with its reason", () => {
  const { answers } = pulled(encodePayload({ ...execution, attempt: 0 }));
  expect(answers).toEqual([expect.stringMatching(/^term attempt: /)]);
  expect(pulled(Buffer.from([0xdf, 0xff])).answers).toEqual([expect.stringMatching(/^term /)]);
});
