/** Adapters: which there are, how they are configured, and whether a configuration would work here. */
import { decryptSecret } from "@reveille/shared/credentials/secret-box";
import { adapterDescriptionSchema, environmentTestSchema } from "@reveille/shared/protocol/probe";
import type { EnvironmentCheck, EnvironmentTest } from "@reveille/shared/protocol/probe";
import { z } from "zod";
import { normalizeBindings, secretReferences } from "../bindings.js";
import type { Context } from "../context.js";
import { HttpError, notFound } from "../errors.js";
import { agentParams, agentQuery, companyParams, findAgent, findCompany } from "../lookup.js";
import { requireMayCreateAgents } from "../permissions.js";
import type { AnyRoute } from "../route.js";
import { route } from "../route.js";

const typeParams = z.object({ type: z.string().max(64) });
const jsonObject = z.record(z.string(), z.unknown());
const modelsSchema = z.array(z.object({ id: z.string(), label: z.string() }));

export function adapterRoutes(context: Context): AnyRoute[] {
  return [
    list(context),
    configSchema(context),
    models(context, "/api/adapters/:type/models"),
    models(context, "/api/companies/:companyId/adapters/:type/models"),
    testEnvironment(context),
    claudeLogin(context),
  ];
}

const list = ({ adapters }: Context): AnyRoute =>
  route({
    method: "GET",
    path: "/api/adapters",
    summary:
      "Adapters that living runners have; without a runner those that each of them would have",
    responses: {
      200: z.array(adapterDescriptionSchema.partial().required({ type: true })),
    },
    handle: async () => {
      const [types, described] = await Promise.all([adapters.types(), adapters.describe()]);
      const byType = new Map(described.map((adapter) => [adapter.type, adapter]));
      return types.map((type) => byType.get(type) ?? { type });
    },
  });

const configSchema = ({ adapters }: Context): AnyRoute =>
  route({
    method: "GET",
    path: "/api/adapters/:type/config-schema",
    summary: "JSON Schema of an adapter's configuration, as a runner describes it",
    params: typeParams,
    responses: {
      200: z.strictObject({ type: z.string(), configSchema: jsonObject.nullable() }),
    },
    handle: async ({ params: { type } }) => {
      const found = (await adapters.describe()).find((adapter) => adapter.type === type);
      if (!found) throw notFound("Adapter");
      return { type, configSchema: found.configSchema };
    },
  });

const models = (
  { adapters, db }: Context,
  path: "/api/adapters/:type/models" | "/api/companies/:companyId/adapters/:type/models",
): AnyRoute =>
  route({
    method: "GET",
    path,
    summary: "Models that an adapter offers; none where it knows none",
    params: path.includes(":companyId") ? typeParams.extend(companyParams.shape) : typeParams,
    responses: { 200: modelsSchema },
    handle: async ({ params, actor }) => {
      if ("companyId" in params) await findCompany(db, actor, String(params.companyId));
      const found = (await adapters.describe()).find(({ type }) => type === params.type);
      return found?.models ?? [];
    },
  });

const testEnvironment = (context: Context): AnyRoute =>
  route({
    method: "POST",
    path: "/api/companies/:companyId/adapters/:type/test-environment",
    summary: "Asks a runner whether a run with this configuration would work there",
    params: companyParams.extend(typeParams.shape),
    body: z.object({ adapterConfig: jsonObject.default({}) }),
    responses: { 200: environmentTestSchema },
    handle: async ({ params: { companyId, type }, body, actor }) => {
      const { db, pool, secrets } = context;
      await findCompany(db, actor, companyId);
      await requireMayCreateAgents(db, actor);
      const adapterConfig = await normalizeBindings(body.adapterConfig, {
        pool,
        companyId,
        actor,
        strict: secrets.strict,
        before: null,
      });
      return testConfiguration(context, { companyId, adapterType: type, adapterConfig });
    },
  });

/** What a runner says of a configuration, and whether its secrets can be read here. @throws HttpError 404, 503. */
export async function testConfiguration(
  context: Context,
  request: Parameters<Context["adapters"]["test"]>[0],
): Promise<EnvironmentTest> {
  const { adapters } = context;
  const { companyId, adapterType, adapterConfig } = request;
  if (!(await adapters.types()).includes(adapterType))
    throw new HttpError(404, `Unknown adapter type: ${adapterType}`);
  const [tested, checks] = await Promise.all([
    adapters.test(request),
    checkSecrets(context, companyId, adapterConfig),
  ]);
  return checks.length === 0
    ? tested
    : { ...tested, status: "fail", checks: [...checks, ...tested.checks].slice(0, checksMax) };
}

/** As many as an answer may have. */
const checksMax = 50;

/** A runner sees references only: whether their values can be read is checked here, where the key is. */
async function checkSecrets(
  { pool, secrets }: Context,
  companyId: string,
  config: Record<string, unknown>,
): Promise<EnvironmentCheck[]> {
  const checks: EnvironmentCheck[] = [];
  for (const { secretId, version } of secretReferences(config)) {
    const found = await pool.query<{ version: number; material: unknown }>(
      `select v.version, v.material from company_secrets s join company_secret_versions v on v.secret_id = s.id
       where s.id = $1 and s.company_id = $2 and v.version = coalesce($3, s.latest_version)`,
      [secretId, companyId, version === "latest" ? null : version],
    );
    const row = found.rows[0];
    const place = row && { companyId, secretId, version: row.version };
    if (
      place &&
      secrets.masterKey &&
      decryptSecret(secrets.masterKey, place, row.material) !== null
    )
      continue;
    checks.push({
      code: "secret_unreadable",
      level: "error",
      message: `Secret ${secretId} cannot be read`,
      hint: secrets.masterKey
        ? "Store its value again, or name another secret in adapterConfig"
        : "The gateway has no master key: set REVEILLE_MASTER_KEY_FILE",
    });
  }
  return checks;
}

const claudeLogin = ({ db }: Context): AnyRoute =>
  route({
    method: "POST",
    path: "/api/agents/:agentId/claude-login",
    summary: "Not available: no adapter of Reveille's own signs in",
    params: agentParams,
    query: agentQuery,
    responses: {},
    boardOnly: true,
    handle: async ({ params, query, actor }) => {
      const agent = await findAgent(db, actor, params.agentId, query.companyId);
      if (agent.adapterType !== "claude_local")
        throw new HttpError(400, "Login is only supported for claude_local agents");
      throw new HttpError(501, "Sign in where the runner is: no adapter here does it");
    },
  });
