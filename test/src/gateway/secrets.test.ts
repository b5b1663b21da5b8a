// Secrets, adapters and sessions over HTTP: values that nobody gets back, questions to a real runner, forgetting.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startCompanyRig } from "./company-rig.js";
import type { CompanyRig, Row } from "./company-rig.js";

let rig: CompanyRig;
let companyId: string;
const value = "a-value-that-nobody-may-see";
beforeAll(async () => {
  rig = await startCompanyRig({ REVEILLE_SECRETS_STRICT: "1" });
  companyId = await rig.company();
});
afterAll(() => rig?.stop());

describe("secrets", () => {
  test("they are made, renamed, rotated, listed and deleted; their values are never shown", async () => {
    const path = `/companies/${companyId}/secrets`;
    const made = await rig.ok(201, "POST", path, { name: "token", value, description: "d" });
    expect(made).toMatchObject({ name: "token", provider: "local_encrypted", latestVersion: 1 });
    const id = String(made["id"]);
    expect((await rig.ok(409, "POST", path, { name: "token", value }))["error"]).toBe(
      "Secret already exists: token",
    );
    const rotated = await rig.ok(200, "POST", `/secrets/${id}/rotate`, { value: `${value}-2` });
    expect(rotated).toMatchObject({ latestVersion: 2 });
    const renamed = await rig.ok(200, "PATCH", `/secrets/${id}`, { name: "renamed" });
    const listed = await rig.ok(200, "GET", path);
    const activity = await rig.ok(200, "GET", `/companies/${companyId}/activity`);
    for (const answer of [made, rotated, renamed, listed, activity])
      expect(JSON.stringify(answer)).not.toContain(value);
    const stored = await rig.rows(
      "select material from company_secret_versions where secret_id = $1",
      [id],
    );
    expect(stored).toHaveLength(2);
    expect(JSON.stringify(stored)).not.toContain(value);
    expect(await rig.ok(200, "DELETE", `/secrets/${id}`)).toEqual({ ok: true });
    await rig.ok(404, "PATCH", `/secrets/${id}`, { name: "x" });
    expect(
      await rig.rows("select 1 from company_secret_versions where secret_id = $1", [id]),
    ).toHaveLength(0);
  });

  test("agents reach none of it, another company's secret is no secret", async () => {
    const key = await rig.key(await rig.agent(companyId));
    await rig.ok(403, "GET", `/companies/${companyId}/secrets`, undefined, key);
    const foreign = await rig.ok(201, "POST", `/companies/${await rig.company()}/secrets`, {
      name: "foreign",
      value,
    });
    const env = { A: { type: "secret_ref", secretId: foreign["id"] } };
    const refused = await rig.ok(422, "POST", `/companies/${companyId}/agents`, {
      name: "Thief",
      adapterConfig: { command: "/bin/true", env },
    });
    expect(refused["error"]).toBe("Secret must belong to same company");
    await rig.ok(422, "POST", `/companies/${companyId}/secrets`, {
      name: "v",
      value,
      provider: "vault",
    });
  });

  test("in strict mode a sensitive name needs a reference", async () => {
    const body = (env: object) => ({ name: "S", adapterConfig: { command: "/bin/true", env } });
    const path = `/companies/${companyId}/agents`;
    await rig.ok(422, "POST", path, body({ MY_API_KEY: "plain" }));
    await rig.ok(201, "POST", path, body({ GREETING: "plain" }));
    const secret = await rig.ok(201, "POST", `/companies/${companyId}/secrets`, {
      name: "key",
      value,
    });
    const ref = { type: "secret_ref", secretId: secret["id"] };
    const made = await rig.ok(201, "POST", path, body({ MY_API_KEY: ref }));
    expect(made["adapterConfig"]).toMatchObject({
      env: { MY_API_KEY: { ...ref, version: "latest" } },
    });
    await rig.ok(422, "POST", path, body({ MY_API_KEY: { ...ref, version: 9 } }));
  });
});

describe("adapters", () => {
  test("those of the runners are known, with their models", async () => {
    const adapters = (await rig.ok(200, "GET", "/adapters")) as unknown as { type: string }[];
    const types = adapters.map(({ type }) => type);
    expect(types).toEqual(expect.arrayContaining(["http", "noop", "process"]));
    expect(await rig.ok(200, "GET", "/adapters/process/models")).toEqual([]);
    expect(await rig.ok(200, "GET", `/companies/${companyId}/adapters/bogus/models`)).toEqual([]);
    await rig.ok(404, "GET", "/adapters/bogus/config-schema");
  });

  test("a runner describes its adapters and tests a configuration, secrets included", async () => {
    const described = await rig.ok(200, "GET", "/adapters/process/config-schema");
    expect(described["configSchema"]).toMatchObject({ type: "object" });
    const path = `/companies/${companyId}/adapters/process/test-environment`;
    const test = (adapterConfig: object) => rig.ok(200, "POST", path, { adapterConfig });
    expect(await test({ command: "/bin/true" })).toMatchObject({
      adapterType: "process",
      status: "pass",
    });
    expect(await test({ command: "/nowhere/at-all" })).toMatchObject({ status: "fail" });
    const secret = await rig.ok(201, "POST", `/companies/${companyId}/secrets`, {
      name: "tested",
      value,
    });
    const env = { TOKEN: { type: "secret_ref", secretId: secret["id"] } };
    const config = { command: "/bin/true", env };
    expect(await test(config)).toMatchObject({ status: "pass" });
    await rig.rows(
      "update company_secret_versions set material = jsonb_set(material, '{tag}', '\"AAAA\"') where secret_id = $1",
      [secret["id"]],
    );
    const broken = await test(config);
    expect(broken["status"]).toBe("fail");
    expect(broken["checks"]).toContainEqual(expect.objectContaining({ code: "secret_unreadable" }));
    expect(JSON.stringify(broken)).not.toContain(value);
    await rig.ok(404, "POST", `/companies/${companyId}/adapters/bogus/test-environment`, {});
  });

  test("nobody can sign in here, and the answer says so", async () => {
    const agentId = await rig.agent(companyId);
    await rig.ok(400, "POST", `/agents/${agentId}/claude-login`, {});
  });
});

describe("sessions", () => {
  const session = (agentId: string, taskKey: string) =>
    rig.rows(
      `insert into agent_task_sessions (company_id, agent_id, adapter_type, task_key, session_params_json, session_display_id)
       values ($1, $2, 'process', $3, $4, $5)`,
      [companyId, agentId, taskKey, { sessionId: `s-${taskKey}` }, `s-${taskKey}`],
    );
  const sessions = async (agentId: string) =>
    ((await rig.ok(200, "GET", `/agents/${agentId}/task-sessions`)) as unknown as Row[]).map(
      ({ taskKey }) => taskKey,
    );

  test("an agent that never ran has the empty state, and a look writes nothing [S12]", async () => {
    const agentId = await rig.agent(companyId);
    expect(await rig.ok(200, "GET", `/agents/${agentId}/runtime-state`)).toMatchObject({
      agentId,
      adapterType: "process",
      sessionId: null,
      stateJson: {},
      totalCostCents: 0,
      sessionDisplayId: null,
      sessionParamsJson: null,
    });
    expect(
      await rig.rows("select 1 from agent_runtime_state where agent_id = $1", [agentId]),
    ).toEqual([]);
    await session(agentId, "one");
    expect(await rig.ok(200, "GET", `/agents/${agentId}/runtime-state`)).toMatchObject({
      sessionDisplayId: "s-one",
      sessionParamsJson: { sessionId: "s-one" },
    });
    await rig.ok(404, "GET", "/agents/00000000-0000-4000-8000-000000000000/runtime-state");
  });

  test("task sessions are listed the last used first; an unknown agent has none [S15]", async () => {
    const agentId = await rig.agent(companyId);
    for (const key of ["one", "two", "three"]) await session(agentId, key);
    await rig.rows(
      "update agent_task_sessions set updated_at = now() where agent_id = $1 and task_key = 'one'",
      [agentId],
    );
    expect(await sessions(agentId)).toEqual(["one", "three", "two"]);
    await rig.ok(404, "GET", "/agents/00000000-0000-4000-8000-000000000000/task-sessions");
  });

  test("one session or all are forgotten, and the answer counts them [S13] [S14]", async () => {
    const agentId = await rig.agent(companyId);
    for (const key of ["one", "two", "three"]) await session(agentId, key);
    const path = `/agents/${agentId}/runtime-state/reset-session`;
    await rig.ok(400, "POST", path, { taskKey: "" });
    expect(await rig.ok(200, "POST", path, { taskKey: "two" })).toMatchObject({
      sessionId: null,
      clearedTaskSessions: 1,
    });
    expect(new Set(await sessions(agentId))).toEqual(new Set(["one", "three"]));
    expect(await rig.ok(200, "POST", path, {})).toMatchObject({
      sessionDisplayId: null,
      lastError: null,
      clearedTaskSessions: 2,
    });
    expect(await sessions(agentId)).toEqual([]);
    await rig.ok(403, "POST", path, {}, await rig.key(agentId));
  });
});
