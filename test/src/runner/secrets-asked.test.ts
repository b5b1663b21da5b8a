// How a runner asks for secrets: with its claim, until it is answered, and no longer than anybody wants the run. The actor host is
// a stand-in that says what the test wants.
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createSealKeys, seal } from "@reveille/shared/credentials/seal";
import type { BusSubscription } from "@reveille/shared/nats/bus";
import { decodeTrusted, encodePayload } from "@reveille/shared/protocol/codec";
import { newId } from "@reveille/shared/protocol/ids";
import { resolveSecretsSchema } from "@reveille/shared/protocol/secrets";
import type { ResolvedSecrets, ResolveSecrets } from "@reveille/shared/protocol/secrets";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { eventually, startRig, subjects } from "./rig.js";
import type { Rig } from "./rig.js";

const scratch = mkdtempSync(join(tmpdir(), "reveille-runner-"));
let rig: Rig;
let responder: BusSubscription | null = null;
beforeAll(async () => {
  rig = await startRig(scratch);
  await rig.runner({ REVEILLE_RUNNER_HTTP_ALLOW_PRIVATE: "true" });
});
afterEach(() => responder?.unsubscribe());
afterAll(async () => {
  await rig.stop();
  rmSync(scratch, { recursive: true, force: true });
});

/** Answers from now on; gives back what was asked. */
function respond(answer: (asked: ResolveSecrets, sealKey: string) => ResolvedSecrets) {
  const questions: ResolveSecrets[] = [];
  responder = rig.bus.subscribe(subjects.secrets, ({ data, reply }) => {
    const asked = resolveSecretsSchema.parse(decodeTrusted(data));
    questions.push(asked);
    const claim = rig.actor.heard.find(
      ({ kind, report }) => kind === "started" && report.claimId === asked.claimId,
    );
    const said = answer(asked, claim!.report.sealKey!);
    rig.bus.publish(reply, encodePayload(said));
  });
  return questions;
}
const ref = () => ({ type: "secret_ref", secretId: newId(), version: "latest" });
const program = {
  command: "/bin/sh",
  args: ["-c", 'test "$ONE$TWO" = first-value.second-value. && echo same'],
};
const values = ["first-value.", "second-value."];

test("asks with its claim, opens what is sealed to it, and gives it to the process [E12]", async () => {
  const questions = respond((_asked, key) => ({
    ok: true,
    sealed: seal(key, JSON.stringify(values)),
  }));
  const [one, two] = [ref(), ref()];
  const run = await rig.enqueue({ ...program, env: { ONE: one, PLAIN: "x", TWO: two } });
  const finished = await rig.actor.until("finished", run.runId);
  expect(finished.stdoutExcerpt).toBe("same\n");
  const { companyId, agentId, runId, attempt } = run;
  const { claimId, incarnation } = finished;
  expect(questions).toEqual([
    {
      companyId,
      agentId,
      runId,
      attempt,
      claimId,
      incarnation,
      refs: [one, two].map(({ secretId, version }) => ({ secretId, version })),
    },
  ]);
});

test("a run without references tells no key and asks nothing", async () => {
  const questions = respond(() => ({ ok: false, reason: "none", retry: false }));
  const run = await rig.enqueue({ command: "/bin/true" });
  await rig.actor.until("finished", run.runId);
  expect((await rig.actor.until("started", run.runId)).sealKey).toBeUndefined();
  expect(questions).toEqual([]);
});

test("what is not there yet is asked for again", async () => {
  let count = 0;
  respond((_asked, key) => {
    count += 1;
    if (count < 3) return { ok: false, reason: "not yet", retry: true };
    return { ok: true, sealed: seal(key, JSON.stringify(values)) };
  });
  const run = await rig.enqueue({ ...program, env: { ONE: ref(), TWO: ref() } });
  expect((await rig.actor.until("finished", run.runId)).stdoutExcerpt).toBe("same\n");
});

test("while nobody answers it goes on asking [E12]", async () => {
  const run = await rig.enqueue({ ...program, env: { ONE: ref(), TWO: ref() } });
  await rig.actor.until("started", run.runId);
  respond((_asked, key) => ({ ok: true, sealed: seal(key, JSON.stringify(values)) }));
  expect((await rig.actor.until("finished", run.runId)).stdoutExcerpt).toBe("same\n");
});

test.each<[string, (key: string) => ResolvedSecrets, string]>([
  [
    "a refusal",
    () => ({ ok: false, reason: "no such secret", retry: false, at: 1 }),
    "adapterConfig.env.TWO cannot be resolved: no such secret",
  ],
  [
    "what another runner could open",
    () => ({ ok: true, sealed: seal(createSealKeys().publicKey, JSON.stringify(values)) }),
    "adapterConfig.env.ONE cannot be resolved: the answer was not sealed to this runner",
  ],
  [
    "too few values",
    (key) => ({ ok: true, sealed: seal(key, '["first-value."]') }),
    "adapterConfig.env.ONE cannot be resolved: the answer was not sealed to this runner",
  ],
])(
  "%s fails the run by the variable's name, and nothing starts [E12]",
  async (_what, answer, text) => {
    respond((_asked, key) => answer(key));
    const run = await rig.enqueue({ ...program, env: { ONE: ref(), TWO: ref() } });
    const finished = await rig.actor.until("finished", run.runId);
    expect(finished.result).toMatchObject({
      exitCode: null,
      errorCode: "secret_unresolved",
      errorMessage: text,
    });
    expect(finished.events).toEqual([]);
  },
);

test("a reference that is none is named without a question [E12]", async () => {
  const run = await rig.enqueue({
    ...program,
    env: { ONE: { type: "secret_ref", secretId: "x" } },
  });
  const finished = await rig.actor.until("finished", run.runId);
  expect(finished.result.errorMessage).toBe(
    "adapterConfig.env.ONE is no valid reference to a secret",
  );
});

test("headers of an agent behind HTTP take references too; what it answers is masked [B32] [E5]", async () => {
  respond((_asked, key) => ({ ok: true, sealed: seal(key, JSON.stringify(["header-value"])) }));
  const received: { header: string | undefined; body: string }[] = [];
  const server = createServer((request, response) => {
    let body = "";
    request.on("data", (chunk: Buffer) => (body += chunk.toString()));
    request.on("end", () => {
      const header = request.headers["x-key"] as string | undefined;
      received.push({ header, body });
      response.end(`you said ${header}`);
    });
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  try {
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
    const run = await rig.enqueue({ url, headers: { "x-key": ref() } }, { adapterType: "http" });
    const finished = await rig.actor.until("finished", run.runId);
    expect(received.map(({ header }) => header)).toEqual(["header-value"]);
    expect(JSON.parse(received[0]!.body)).toMatchObject({
      context: { paperclipWorkspace: { source: "agent_home" }, paperclipWorkspaces: [] },
    });
    expect(JSON.stringify(finished)).not.toContain("header-value");
    expect(finished.stdoutExcerpt).toContain("you said ***");
  } finally {
    server.closeAllConnections();
    server.close();
  }
});

test("a cancelled run stops asking at once", async () => {
  const questions = respond(() => ({ ok: false, reason: "not yet", retry: true }));
  const run = await rig.enqueue({ ...program, env: { ONE: ref(), TWO: ref() } });
  await eventually("it asks", () => questions.length > 0);
  rig.actor.cancel(run, questions[0]!.claimId);
  // Far below its patience.
  const finished = await rig.actor.until("finished", run.runId, 5_000);
  expect(finished.result.errorCode).toBe("cancelled");
});
