/**
 * Answers runners that ask for the secrets of an attempt. Postgres says who may ask: the run is running
 * with this very claim, and its agent's configuration (or its issue's override of it) names the secret.
 * The answer is sealed to the key that came with the claim, never to one in the question, so a stolen
 * question is worth nothing. Values are seen here alone, and kept nowhere.
 */
import { decryptSecret } from "@reveille/shared/credentials/secret-box";
import { seal } from "@reveille/shared/credentials/seal";
import type { Bus, BusMessage, BusSubscription } from "@reveille/shared/nats/bus";
import type { Sql } from "@reveille/shared/postgres/pool";
import { guarded } from "@reveille/shared/postgres/pool";
import { decodeTrusted, encodePayload } from "@reveille/shared/protocol/codec";
import type { Subjects } from "@reveille/shared/protocol/subjects";
import { inboxPrefixes } from "@reveille/shared/protocol/inboxes";
import { resolveSecretsSchema, secretRefsOf } from "@reveille/shared/protocol/secrets";
import type { ResolvedSecrets, ResolveSecrets } from "@reveille/shared/protocol/secrets";
import { runFields } from "@reveille/shared/runtime/log";
import type { Logger } from "@reveille/shared/runtime/log";
import { withOverrides } from "../core/execution-facts.js";

export interface SecretResponderContext {
  bus: Bus;
  pool: Sql;
  subjects: Subjects;
  /** 32 bytes; null: nothing can be read, and askers are told. */
  masterKey: Buffer | null;
  logger: Logger;
}

/** Any host answers; one of them gets each question. */
const queue = "secrets";
/** Questions under way: each waits for two statements of a pool that batches need as well. */
const inFlightMax = 16;
/** Below the server's 1 MiB, with room for the envelope. */
const sealedCharsMax = 900_000;
const replyPattern = new RegExp(`^${inboxPrefixes.runners}(\\.[A-Za-z0-9_-]+)+$`);

const refused = (reason: string, at?: number): ResolvedSecrets => ({
  ok: false,
  reason,
  retry: false,
  ...(at === undefined ? {} : { at }),
});
const later = (reason: string): ResolvedSecrets => ({ ok: false, reason, retry: true });
/** One word for everything that an asker may not know the reason of. */
const notYours = refused("this claim may not know the secret");

/** Listens from now on. */
export function answerSecrets(context: SecretResponderContext): BusSubscription {
  const { bus, subjects, logger } = context;
  let inFlight = 0;
  const answer = async (message: BusMessage): Promise<ResolvedSecrets> => {
    if (inFlight >= inFlightMax) return later("too many questions at once");
    inFlight += 1;
    try {
      return await resolve(context, message.data);
    } catch (error) {
      logger.warn({ err: error }, "secrets could not be read");
      return later("the store of secrets does not answer");
    } finally {
      inFlight -= 1;
    }
  };
  return bus.subscribe(
    subjects.secrets,
    (message) => {
      // Never to a subject that a message chose freely.
      if (!replyPattern.test(message.reply)) return;
      void answer(message).then((said) => bus.publish(message.reply, encodePayload(said)));
    },
    { queue },
  );
}

async function resolve(
  { pool, masterKey, logger }: SecretResponderContext,
  data: Uint8Array,
): Promise<ResolvedSecrets> {
  const asked = readQuestion(data);
  if (!asked) return refused("the question could not be read");
  if (masterKey === null)
    return refused("no master key is configured (REVEILLE_SECRETS_MASTER_KEY)");
  const claim = await readClaim(pool, asked);
  const named = new Set(claim?.secretIds);
  if (!claim || asked.refs.some(({ secretId }) => !named.has(secretId))) {
    const { incarnation } = asked;
    const known = claim !== null;
    logger.warn({ ...runFields(asked), incarnation, known }, "secrets were refused");
    return notYours;
  }
  const values: string[] = [];
  for (const [at, row] of (await readVersions(pool, asked)).entries()) {
    if (!row.known) return refused("no such secret in this company", at);
    if (row.version === null) return refused(`the secret has no version ${row.wanted}`, at);
    const place = { companyId: asked.companyId, secretId: row.secret_id, version: row.version };
    const value = decryptSecret(masterKey, place, row.material);
    if (value === null) return refused("the secret cannot be decrypted with this master key", at);
    values.push(value);
  }
  const sealed = seal(claim.sealKey, JSON.stringify(values));
  if (sealed.length > sealedCharsMax) return refused("the secrets of this run are too large");
  return { ok: true, sealed };
}

function readQuestion(data: Uint8Array): ResolveSecrets | null {
  try {
    return resolveSecretsSchema.safeParse(decodeTrusted(data)).data ?? null;
  } catch {
    // Not msgpack: somebody else's idea of a question.
    return null;
  }
}

const claimStatement = {
  name: "secrets_claim",
  text: `select r.seal_key, a.adapter_config, i.assignee_adapter_overrides as overrides
    from heartbeat_runs r
    join agents a on a.id = r.agent_id and a.company_id = r.company_id
    left join issues i on i.id = r.issue_id and i.company_id = r.company_id and i.assignee_agent_id = r.agent_id
    where r.id = $1 and r.company_id = $2 and r.agent_id = $3 and r.attempt = $4 and r.claim_id = $5
      and r.runner_incarnation = $6 and r.phase = 'running'`,
};

/** What this claim may know; null when nobody has it now. */
async function readClaim(
  pool: Sql,
  asked: ResolveSecrets,
): Promise<{ sealKey: string; secretIds: string[] } | null> {
  const { runId, companyId, agentId, attempt, claimId, incarnation } = asked;
  const values = [runId, companyId, agentId, attempt, claimId, incarnation];
  const found = await guarded("read the claim", () =>
    pool.query<{
      seal_key: string | null;
      adapter_config: Record<string, unknown>;
      overrides: unknown;
    }>({ ...claimStatement, values }),
  );
  const row = found.rows[0];
  if (!row?.seal_key) return null;
  const configs = [row.adapter_config, withOverrides(row.adapter_config, row.overrides)];
  const refs = configs.flatMap(secretRefsOf);
  return { sealKey: row.seal_key, secretIds: refs.flatMap(({ ref }) => ref?.secretId ?? []) };
}

const versionStatement = {
  name: "secrets_versions",
  text: `select asked.secret_id, s.id is not null as known, v.version, v.material,
      case when asked.version = 0 then s.latest_version else asked.version end as wanted
    from unnest($2::int[], $3::uuid[], $4::int[]) as asked(at, secret_id, version)
    left join company_secrets s on s.id = asked.secret_id and s.company_id = $1 and s.provider = 'local_encrypted'
    left join company_secret_versions v on v.secret_id = s.id and v.revoked_at is null
      and v.version = case when asked.version = 0 then s.latest_version else asked.version end
    order by asked.at`,
};

/** One row for each reference, in their order. */
async function readVersions(pool: Sql, { companyId, refs }: ResolveSecrets) {
  const values = [
    companyId,
    refs.map((_, at) => at),
    refs.map(({ secretId }) => secretId),
    refs.map(({ version }) => (version === "latest" ? 0 : version)),
  ];
  const found = await guarded("read secrets", () =>
    pool.query<{
      secret_id: string;
      known: boolean;
      version: number | null;
      material: unknown;
      wanted: number | null;
    }>({ ...versionStatement, values }),
  );
  return found.rows;
}
