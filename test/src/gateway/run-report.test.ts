// A process that reports on its own run with the token that it was given: what it says is kept, is in the row when the run is over, and
// the token is none any more.
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startCompanyRig } from "./company-rig.js";
import type { CompanyRig, Row } from "./company-rig.js";

let rig: CompanyRig;
const folder = mkdtempSync(join(tmpdir(), "reveille-report-"));
beforeAll(async () => {
  rig = await startCompanyRig();
});
afterAll(async () => {
  await rig?.stop();
  rmSync(folder, { recursive: true, force: true });
});

/** Reports twice, asks who it is, and prints the answers and its token. */
const program = `
const { REVEILLE_API_URL: api, REVEILLE_API_KEY: key, REVEILLE_RUN_ID: run } = process.env;
const headers = { authorization: "Bearer " + key, "content-type": "application/json" };
const report = async (body) => {
  const answer = await fetch(api + "/api/heartbeat-runs/" + run + "/report", {
    method: "POST", headers, body: JSON.stringify(body),
  });
  return [answer.status, (await answer.json()).status];
};
const first = await report({ usage: { inputTokens: 5, outputTokens: 1, cachedInputTokens: 0 }, summary: "begun" });
const second = await report({ usage: { inputTokens: 9, outputTokens: 2, cachedInputTokens: 0 }, costUsd: 0.25,
  summary: "done", sessionId: "s-1", resultJson: { boxes: 14 } });
const me = await (await fetch(api + "/api/agents/me", { headers })).json();
const { writeFileSync } = await import("node:fs");
writeFileSync(process.env.OUT, JSON.stringify({ first, second, me: me.id, key }));
`;

test("a run's reports are kept, and its token ends with it [B31]", async () => {
  const companyId = await rig.company();
  const out = join(folder, "out.json");
  const agentId = await rig.agent(companyId, {
    adapterConfig: {
      command: process.execPath,
      args: ["--input-type=module", "-e", program],
      env: { OUT: out },
    },
  });
  const woken = await rig.ok(202, "POST", `/agents/${agentId}/wakeup`, {});
  const run = await rig.until<Row>("the run is over", async () => {
    const { body } = await rig.call("GET", `/heartbeat-runs/${String(woken["id"])}`);
    return body["finishedAt"] ? body : null;
  });
  expect(run).toMatchObject({
    status: "succeeded",
    sessionIdAfter: "s-1",
    usageJson: { inputTokens: 9, outputTokens: 2, costUsd: 0.25 },
  });
  const said = JSON.parse(readFileSync(out, "utf8")) as Record<string, unknown>;
  expect(said).toMatchObject({
    first: [200, "committed"],
    second: [200, "committed"],
    me: agentId,
  });
  const late = await rig.call("GET", "/agents/me", undefined, String(said["key"]));
  expect(late.status).toBe(401);
});
