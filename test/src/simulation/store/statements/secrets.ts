// Owns the statements that say who may know a secret, and what it is.
import type { Handler } from "../store.js";
import { toDriver } from "../value.js";
import { answer, listOf, numberOf, sorted } from "./parameters.js";

const readClaim: Handler = ({ tables }, values) => {
  const [runId, companyId, agentId, , claimId, incarnation] = values;
  const run = tables.heartbeat_runs.get(runId);
  const agent = tables.agents.get(agentId);
  const claimed =
    run?.company_id === companyId &&
    run?.agent_id === agentId &&
    run?.attempt === numberOf(values, 3) &&
    run.claim_id === claimId &&
    run.runner_incarnation === incarnation &&
    run.phase === "running";
  if (!claimed || agent?.company_id !== companyId) return answer([]);
  const named = run.issue_id === null ? undefined : tables.issues.get(run.issue_id);
  const own = named?.company_id === companyId && named?.assignee_agent_id === agentId;
  return answer([
    {
      seal_key: run.seal_key,
      adapter_config: toDriver("jsonb", agent?.adapter_config),
      overrides: own ? toDriver("jsonb", named?.assignee_adapter_overrides) : null,
    },
  ]);
};

const readVersions: Handler = ({ tables }, values) => {
  const companyId = values[0];
  const secretIds = listOf<string>(values, 2);
  const versions = listOf<number>(values, 3);
  const asked = listOf<number>(values, 1).map((at, index) => {
    const found = tables.company_secrets.get(secretIds[index]);
    const secret =
      found?.company_id === companyId && found?.provider === "local_encrypted" ? found : undefined;
    const wanted = versions[index] === 0 ? (secret?.latest_version ?? null) : versions[index]!;
    const [version] = secret
      ? tables.company_secret_versions
          .by("company_secret_versions_version", secret.id, wanted)
          .filter(({ revoked_at }) => revoked_at === null)
      : [];
    return {
      at,
      row: {
        secret_id: secretIds[index],
        known: secret !== undefined,
        version: version?.version ?? null,
        material: toDriver("jsonb", version?.material),
        wanted,
      },
    };
  });
  return answer(sorted(asked, ({ at }) => at).map(({ row }) => row));
};

export const secretHandlers: Record<string, Handler> = {
  secrets_claim: readClaim,
  secrets_versions: readVersions,
};
