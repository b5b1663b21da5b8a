// Owns the questions for secrets: a claim, secrets with versions, and the shipped responder asked as a runner asks. Knows no store.
import { randomBytes } from "node:crypto";
import { answerSecrets } from "@reveille/agent-actor/shell/secret-responder";
import { createSealKeys, open } from "@reveille/shared/credentials/seal";
import { encryptSecret } from "@reveille/shared/credentials/secret-box";
import type { Bus, BusMessage } from "@reveille/shared/nats/bus";
import type { Sql } from "@reveille/shared/postgres/pool";
import { decodeTrusted, encodePayload } from "@reveille/shared/protocol/codec";
import type { ResolvedSecrets, ResolveSecrets } from "@reveille/shared/protocol/secrets";
import { createSubjects } from "@reveille/shared/protocol/subjects";
import type { Logger } from "@reveille/shared/runtime/log";
import type { Scene } from "./store-operations.js";

export interface SecretScene {
  question: ResolveSecrets;
  /** Ids of a secret with two versions and of one whose version is revoked. */
  good: string;
  revoked: string;
  /** What the responder says, opened when it is sealed. */
  ask: (question: ResolveSecrets) => Promise<unknown>;
}

/** A running run whose agent names one secret, and whose issue names another. */
export async function createSecretScene({ twin, rows }: Scene): Promise<SecretScene> {
  const { companyId, agentIds } = rows.cast;
  const [agentId, masterKey, keys] = [agentIds[0]!, randomBytes(32), createSealKeys()];
  const [good, revoked, issueId] = [rows.uuid(), rows.uuid(), rows.uuid()];
  const ref = (secretId: string) => ({
    env: { SECRET: { type: "secret_ref", secretId, version: "latest" } },
  });
  for (const id of [good, revoked]) {
    const secret = { id, company_id: companyId, name: id, latest_version: id === good ? 2 : 1 };
    await twin.insert("company_secrets", secret);
  }
  for (const [secretId, version] of [
    [good, 1],
    [good, 2],
    [revoked, 1],
  ] as const) {
    const material = encryptSecret(masterKey, { companyId, secretId, version }, `value ${version}`);
    await twin.insert("company_secret_versions", {
      secret_id: secretId,
      version,
      material: { ...material },
      value_sha256: "",
      revoked_at: secretId === revoked ? Date.now() : null,
    });
  }
  await twin.pool.query("update agents set adapter_config = $1 where id = $2", [
    ref(good),
    agentId,
  ]);
  twin.store.write(({ agents }) =>
    agents.update(agents.get(agentId)!, { adapter_config: ref(good) }),
  );
  await twin.insert("issues", {
    id: issueId,
    company_id: companyId,
    title: "Issue",
    assignee_agent_id: agentId,
    assignee_adapter_overrides: { adapterConfig: ref(revoked) },
  });
  const question = {
    companyId,
    agentId,
    runId: rows.uuid(),
    attempt: 2,
    claimId: rows.uuid(),
    incarnation: rows.uuid(),
    refs: [{ secretId: good, version: "latest" as const }],
  };
  await twin.insert("heartbeat_runs", {
    id: question.runId,
    company_id: companyId,
    agent_id: agentId,
    issue_id: issueId,
    attempt: question.attempt,
    claim_id: question.claimId,
    runner_incarnation: question.incarnation,
    seal_key: keys.publicKey,
    phase: "running",
    partition: 0,
    wake_id: "wake",
    generation: 1,
    stream_seq: 1,
  });
  const ask = askWith(twin.sql, masterKey, (sealed) => open(keys, sealed));
  return { question, good, revoked, ask };
}

function askWith(
  pool: Sql,
  masterKey: Buffer,
  opened: (sealed: string) => string | null,
): SecretScene["ask"] {
  const logger = { warn: () => undefined } as unknown as Logger;
  return (question) =>
    new Promise((said) => {
      const bus = {
        subscribe: (_: string, handler: (message: BusMessage) => void) => {
          const reply = "_INBOX_runner.a.b";
          const data = encodePayload(question);
          setImmediate(() => handler({ subject: "", data, reply, header: () => undefined }));
          return { unsubscribe: () => undefined };
        },
        publish: (_: string, data: Uint8Array) => {
          const answer = decodeTrusted(data) as ResolvedSecrets;
          said(answer.ok ? opened(answer.sealed) : answer);
        },
      } as unknown as Bus;
      answerSecrets({ bus, pool, subjects: createSubjects(), masterKey, logger });
    });
}
