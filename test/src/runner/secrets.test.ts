// A secret of a company on its way to the process that may know it: there it arrives, and nowhere else is it to be found. Real
// gateway, actor host, runner, NATS and Postgres.
import { createHash, randomBytes } from "node:crypto";
import { readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createSealKeys, open } from "@reveille/shared/credentials/seal";
import { connectBus } from "@reveille/shared/nats/bus";
import type { NatsBus } from "@reveille/shared/nats/bus";
import { decodeTrusted, encodePayload } from "@reveille/shared/protocol/codec";
import { newId } from "@reveille/shared/protocol/ids";
import { runnerInboxPrefix } from "@reveille/shared/protocol/inboxes";
import { resolvedSecretsSchema } from "@reveille/shared/protocol/secrets";
import type { ResolvedSecrets } from "@reveille/shared/protocol/secrets";
import { createSubjects } from "@reveille/shared/protocol/subjects";
import { afterAll, beforeAll, expect, test } from "vitest";
import { testPassword } from "../harness/nats.js";
import { createAgent, runIsOver, startWholeSystem } from "../harness/whole-system.js";
import type { Row, WholeSystem } from "../harness/whole-system.js";
import { until } from "../harness/until.js";

const subjects = createSubjects();
let system: WholeSystem;
/** With a runner's inbox, and every right: it hears what no runner may. */
let bus: NatsBus;
/** Everything that any subject has carried since the start. */
const heard: { subject: string; data: Buffer }[] = [];

beforeAll(async () => {
  system = await startWholeSystem({ logLevel: "debug", natsAdmin: { password: testPassword } });
  bus = await connectBus({
    url: system.stack.natsUrlOf("admin"),
    name: "eavesdropper",
    inboxPrefix: runnerInboxPrefix("default"),
  });
  bus.subscribe(">", ({ subject, data }) => void heard.push({ subject, data: Buffer.from(data) }));
  await bus.flush();
});
afterAll(async () => {
  await bus.close();
  await system.stop();
});

const call = async (method: string, path: string, body?: object): Promise<Row> => {
  const answer = await system.call(method, path, body);
  if (answer.status >= 300)
    throw new Error(`${method} ${path}: ${answer.status} ${JSON.stringify(answer.body)}`);
  return answer.body;
};
const secretOf = async (companyId: string, name: string, value: string): Promise<string> =>
  String((await call("POST", `/companies/${companyId}/secrets`, { name, value }))["id"]);
const ref = (secretId: string, version: number | "latest" = "latest") => ({
  type: "secret_ref",
  secretId,
  version,
});

/** An agent whose program sees `env`. */
async function agentWith(program: string, env: (companyId: string) => Promise<object>) {
  const made = await createAgent(system, program);
  const adapterConfig = {
    command: process.execPath,
    args: ["-e", program],
    env: await env(made.companyId),
  };
  await call("PATCH", `/agents/${made.agentId}`, { adapterConfig });
  return made;
}
const wake = async (agentId: string): Promise<string> =>
  String((await call("POST", `/agents/${agentId}/wakeup`, {}))["id"]);

/** Everything that Postgres, JetStream's store and the services' logs hold, by where it is. */
async function everythingKept(): Promise<Map<string, Buffer>> {
  const kept = new Map<string, Buffer>();
  const tables = await system.database.query<{ name: string }>(
    "select format('%I.%I', schemaname, tablename) as name from pg_tables where schemaname = 'public'",
  );
  for (const { name } of tables.rows) {
    const rows = await system.database.query<{ row: string }>(
      `select row_to_json(t)::text as row from ${name} t`,
    );
    kept.set(name, Buffer.from(rows.rows.map(({ row }) => row).join("\n")));
  }
  const { root, nats, logs } = system.stack.dataDir;
  for (const folder of [nats, logs, join(root, "instances")])
    for (const file of readdirSync(folder, { recursive: true, encoding: "utf8" })) {
      const path = join(folder, file);
      if (statSync(path, { throwIfNoEntry: false })?.isFile()) kept.set(path, readFileSync(path));
    }
  for (const [at, { subject, data }] of heard.entries()) kept.set(`${at} ${subject}`, data);
  return kept;
}
const placesOf = (kept: Map<string, Buffer>, text: string): string[] =>
  [...kept].filter(([, bytes]) => bytes.includes(text)).map(([place]) => place);

/** Writes what it was given in every way that leaks: whole, in pieces, on both streams, in its result. */
const leaky = `
const { createHash } = require("node:crypto");
const secret = process.env.DEPLOY_PASS, hash = (text) => createHash("sha256").update(text).digest("hex");
console.log("given", hash(secret), "token", hash(process.env.REVEILLE_API_KEY ?? ""));
console.log("whole: " + secret);
console.error("json: " + JSON.stringify({ secret, key: process.env.PAPERCLIP_API_KEY }));
process.stdout.write("pieces: " + secret.slice(0, 3));
setTimeout(() => {
  process.stdout.write(secret.slice(3) + "\\nplain: " + process.env.MY_TOKEN + "\\n");
  process.exitCode = 3;
}, 300);
`;

test("a secret reaches its process and is found nowhere else [E12] [B32]", async () => {
  const value = `s3cr3t-${randomBytes(12).toString("hex")}`;
  const plain = `plain-${randomBytes(12).toString("hex")}`;
  const { agentId } = await agentWith(leaky, async (companyId) => ({
    DEPLOY_PASS: ref(await secretOf(companyId, "deploy", value)),
    MY_TOKEN: { type: "plain", value: plain },
  }));
  const runId = await wake(agentId);
  const run = await runIsOver(system, runId);
  expect(run).toMatchObject({ status: "failed", exitCode: 3 });
  const stdout = String(run["stdoutExcerpt"]);
  expect(stdout).toContain(`given ${createHash("sha256").update(value).digest("hex")}`);
  expect(stdout).toMatch(/whole: \*\*\*\npieces: (s3c)?\*\*\*\nplain: \*\*\*\n$/);
  expect(run["stderrExcerpt"]).toBe('json: {"secret":"***","key":"***"}\n');
  const events = (await call("GET", `/heartbeat-runs/${runId}/events`)) as unknown as Row[];
  const invoked = events.find(({ eventType }) => eventType === "adapter.invoke");
  expect(invoked?.["payload"]).toMatchObject({
    env: { DEPLOY_PASS: "***REDACTED***", REVEILLE_API_KEY: "***REDACTED***" },
  });

  const kept = await everythingKept();
  // The search finds what is there.
  expect(placesOf(kept, runId).length).toBeGreaterThan(5);
  expect(placesOf(kept, value)).toEqual([]);
  expect(placesOf(kept, value.slice(3))).toEqual([]);
  // A plain value stands in the agent's configuration, which travels with the execution; that is all.
  const shownIn = placesOf(kept, plain).filter((place) =>
    /\.(log|event)\.|heartbeat_|\.log$/.test(place),
  );
  expect(shownIn).toEqual([]);
});

const waits = (file: string): string => `
const { writeFileSync, existsSync } = require("node:fs");
writeFileSync(${JSON.stringify(file)}, JSON.stringify({ token: process.env.REVEILLE_API_KEY, url: process.env.REVEILLE_API_URL }));
const wait = setInterval(() => existsSync(${JSON.stringify(`${file}.end`)}) && clearInterval(wait), 20);
`;

/** A run that lives until `end` is called. */
async function livingRun(env: (companyId: string) => Promise<object> = async () => ({})) {
  const file = join(system.stack.dataDir.root, newId());
  const { agentId, companyId } = await agentWith(waits(file), env);
  const runId = await wake(agentId);
  const written = await until("the process says its token", () => {
    const bytes = statSync(file, { throwIfNoEntry: false })?.size ? readFileSync(file, "utf8") : "";
    return bytes === "" ? undefined : (JSON.parse(bytes) as { token: string; url: string });
  });
  const claimed = await system.database.query<{ attempt: number; claim: string; life: string }>(
    "select attempt, claim_id as claim, runner_incarnation as life from heartbeat_runs where id = $1",
    [runId],
  );
  const { attempt, claim, life } = claimed.rows[0]!;
  return {
    ...written,
    claim: { companyId, agentId, runId, attempt, claimId: claim, incarnation: life },
    end: async () => {
      writeFileSync(`${file}.end`, "");
      return runIsOver(system, runId);
    },
  };
}

test("a run's token is good while the run is running, and not a moment longer [B31] [E13]", async () => {
  const living = await livingRun();
  const asAgent = (path: string): Promise<Response> =>
    fetch(`${living.url}/api${path}`, { headers: { authorization: `Bearer ${living.token}` } });
  const { agentId } = living.claim;
  expect((await asAgent(`/agents/${agentId}`)).status).toBe(200);
  const other = await createAgent(system, "", { name: "Other" });
  expect([403, 404]).toContain((await asAgent(`/agents/${other.agentId}`)).status);
  await living.end();
  expect((await asAgent(`/agents/${agentId}`)).status).toBe(401);
  // Told with the go, kept nowhere.
  const signature = living.token.split(".")[2]!;
  const places = placesOf(await everythingKept(), signature);
  const answers = / rv\.runner\.[0-9a-f-]+\.answer$/;
  expect(places.some((place) => answers.test(place))).toBe(true);
  expect(places.filter((place) => !answers.test(place))).toEqual([]);
});

test("only the claim that is running gets an answer, and only its runner can open it", async () => {
  const value = `s3cr3t-${randomBytes(12).toString("hex")}`;
  let secretId = "";
  let foreignId = "";
  const living = await livingRun(async (companyId) => {
    secretId = await secretOf(companyId, "mine", value);
    foreignId = await secretOf(companyId, "not-named", "something else");
    return { MINE: ref(secretId) };
  });
  const refs = [{ secretId, version: "latest" }];
  const ask = async (more: object = {}): Promise<ResolvedSecrets> => {
    const question = encodePayload({ ...living.claim, refs, ...more });
    const { data } = await bus.request(subjects.secrets, question, 5_000);
    return resolvedSecretsSchema.parse(decodeTrusted(data));
  };
  const refused = { ok: false, reason: "this claim may not know the secret", retry: false };
  const wrong = ["companyId", "agentId", "runId", "claimId", "incarnation"];
  for (const name of wrong) expect(await ask({ [name]: newId() }), name).toEqual(refused);
  expect(await ask({ attempt: 2 })).toEqual(refused);
  // Of the same company, but its configuration does not name it; and one that is nobody's.
  for (const id of [foreignId, newId()])
    expect(await ask({ refs: [...refs, { secretId: id, version: "latest" }] })).toEqual(refused);
  expect(await ask({ refs: [] })).toMatchObject({ ok: false, retry: false });
  expect(await ask({ refs: [{ secretId, version: 7 }] })).toEqual({
    ok: false,
    reason: "the secret has no version 7",
    retry: false,
    at: 0,
  });
  const answered = await ask();
  expect(answered.ok && open(createSealKeys(), answered.sealed)).toBeNull();
  expect(JSON.stringify(answered)).not.toContain(value);
  await living.end();
  expect(await ask()).toEqual(refused);
});

test("a version that is gone fails the run by its variable's name, without a start [E12]", async () => {
  let secretId = "";
  const { agentId } = await agentWith("console.log('started')", async (companyId) => {
    secretId = await secretOf(companyId, "gone", "value-that-is-gone");
    return { THE_KEY: ref(secretId, 1) };
  });
  await system.database.query(
    "update company_secret_versions set revoked_at = now() where secret_id = $1",
    [secretId],
  );
  const run = await runIsOver(system, await wake(agentId));
  expect(run).toMatchObject({
    status: "failed",
    errorCode: "secret_unresolved",
    error: "adapterConfig.env.THE_KEY cannot be resolved: the secret has no version 1",
    startedAt: expect.any(String) as unknown,
    stdoutExcerpt: "",
  });
});

test("a rotated secret counts from the next run on [E12]", async () => {
  const program =
    "console.log(require('node:crypto').createHash('sha256').update(process.env.K).digest('hex'))";
  const hash = (text: string): string => `${createHash("sha256").update(text).digest("hex")}\n`;
  let secretId = "";
  const { agentId } = await agentWith(program, async (companyId) => {
    secretId = await secretOf(companyId, "turns", "first-value");
    return { K: ref(secretId) };
  });
  expect((await runIsOver(system, await wake(agentId)))["stdoutExcerpt"]).toBe(hash("first-value"));
  await call("POST", `/secrets/${secretId}/rotate`, { value: "second-value" });
  expect((await runIsOver(system, await wake(agentId)))["stdoutExcerpt"]).toBe(
    hash("second-value"),
  );
});
