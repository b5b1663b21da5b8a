// What needs no database to be seen: who is answered at all, and what is said when there is nothing to answer with. The checks of
// claims are tested with a real Postgres (test/src/runner/secrets.test.ts).
import { randomBytes } from "node:crypto";
import type { Bus, BusMessage } from "@reveille/shared/nats/bus";
import type { Pool } from "@reveille/shared/postgres/pool";
import { storeUnavailable } from "@reveille/shared/errors";
import { decodeTrusted, encodePayload } from "@reveille/shared/protocol/codec";
import { newId } from "@reveille/shared/protocol/ids";
import { createSubjects } from "@reveille/shared/protocol/subjects";
import type { Logger } from "@reveille/shared/runtime/log";
import { expect, test } from "vitest";
import { answerSecrets } from "./secret-responder.js";

const logger = { warn: () => undefined } as unknown as Logger;
const question = encodePayload({
  companyId: newId(),
  agentId: newId(),
  runId: newId(),
  attempt: 1,
  claimId: newId(),
  incarnation: newId(),
  refs: [{ secretId: newId(), version: 1 }],
});

/** Asks as NATS would; every answer as it was sent. */
function responderWith(masterKey: Buffer | null, query: () => Promise<unknown>) {
  const sent: { to: string; said: unknown }[] = [];
  let handle: (message: BusMessage) => void = () => undefined;
  const bus = {
    subscribe: (_subject: string, handler: typeof handle) => {
      handle = handler;
      return { unsubscribe: () => undefined };
    },
    publish: (to: string, data: Uint8Array) => sent.push({ to, said: decodeTrusted(data) }),
  } as unknown as Bus;
  const pool = { query } as unknown as Pool;
  answerSecrets({ bus, pool, subjects: createSubjects(), masterKey, logger });
  return {
    sent,
    ask: (reply = "_INBOX_runner.a.b", data = question) =>
      handle({ subject: "", data, reply, header: () => undefined }),
  };
}
const key = randomBytes(32);

test("without a master key askers are told that it is missing", async () => {
  const { sent, ask } = responderWith(null, () => Promise.reject(new Error("not asked")));
  ask();
  await expect.poll(() => sent.length).toBe(1);
  expect(sent[0]!.said).toEqual({
    ok: false,
    reason: "no master key is configured (REVEILLE_SECRETS_MASTER_KEY)",
    retry: false,
  });
});

test.each(["", "_INBOX.a", "_INBOX_gateway.a", "_INBOX_runner", "_INBOX_runner.>", "rv.x.event.y"])(
  "nothing is answered to %j",
  async (reply) => {
    const { sent, ask } = responderWith(key, () => Promise.resolve({ rows: [] }));
    ask(reply);
    ask();
    await expect.poll(() => sent.length).toBe(1);
    expect(sent[0]!.to).toBe("_INBOX_runner.a.b");
  },
);

test("a claim that nobody has now gets nothing, and no reason", async () => {
  const { sent, ask } = responderWith(key, () => Promise.resolve({ rows: [] }));
  ask();
  ask(undefined, Buffer.from("no msgpack"));
  await expect.poll(() => sent.length).toBe(2);
  expect(sent.map(({ said }) => said)).toContainEqual({
    ok: false,
    reason: "this claim may not know the secret",
    retry: false,
  });
  expect(sent.map(({ said }) => said)).toContainEqual({
    ok: false,
    reason: "the question could not be read",
    retry: false,
  });
});

test("a database that is away, and too many questions, are for later", async () => {
  const away = responderWith(key, () => Promise.reject(storeUnavailable("away")));
  away.ask();
  await expect.poll(() => away.sent.length).toBe(1);
  expect(away.sent[0]!.said).toMatchObject({ ok: false, retry: true });

  const busy = responderWith(key, () => new Promise(() => undefined));
  for (let count = 0; count < 17; count += 1) busy.ask();
  await expect.poll(() => busy.sent.length).toBe(1);
  expect(busy.sent[0]!.said).toMatchObject({ reason: "too many questions at once", retry: true });
});
