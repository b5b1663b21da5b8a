// Owns the scenarios of who may do what: credentials on HTTP and WebSocket, and the budget that stops an agent.
import assert from "node:assert/strict";
import { assertNothingWritten, only } from "../evidence.js";
import type { Scenario } from "../scenario.js";
import { isOver } from "../waits.js";
import type { Row } from "../client.js";
import { nobody } from "./wakes.js";

const bearer = (token: string) => ({ authorization: `Bearer ${token}` });

export const accessScenarios: readonly Scenario[] = [
  {
    id: "f08-ws-auth",
    title: "WebSocket: no token, a bad one, an agent's key, the same on another company",
    why: "without a token the board of any company, even of none; a bad token is 403",
    run: async (scene) => {
      const { token } = await scene.key(await scene.agent("A"));
      const other = await scene.company();
      const tries: Record<string, Parameters<typeof scene.follow>[0]> = {
        "no token": {},
        "bad bearer": { headers: bearer("nope") },
        "agent key header": { headers: bearer(token) },
        "agent key query": { query: `?token=${token}` },
        "agent key on other company": { headers: bearer(token), companyId: other },
        "unknown company no token": { companyId: nobody },
      };
      for (const [what, options] of Object.entries(tries)) {
        const socket = await scene.follow(options);
        socket.close();
        const { ok, status, body } = socket;
        scene.observe(what, { ok, status, body });
        scene.seen[what] = ok;
      }
    },
    want: ({ seen, steps }) => {
      assert.deepEqual(seen, {
        "no token": true,
        "bad bearer": false,
        "agent key header": true,
        "agent key query": true,
        "agent key on other company": false,
        "unknown company no token": false,
      });
      const refusals = steps.filter((step) => (step["value"] as Row | undefined)?.["ok"] === false);
      for (const { value } of refusals)
        assert.ok(
          Number((value as Row)["status"]) >= 400,
          "refused with a status, before the upgrade",
        );
    },
  },
  {
    id: "g10-cost-event-api-pauses",
    rows: ["D4"],
    title: "POST cost-events beyond the budget",
    why: "the agent is paused; a wake is 409",
    run: async (scene) => {
      const agentId = await scene.agent("A", { budgetMonthlyCents: 100 });
      await scene.request("POST", `/api/companies/${scene.companyId}/cost-events`, {
        agentId,
        provider: "p",
        model: "m",
        costCents: 150,
        occurredAt: "2026-01-01T00:00:00.000Z",
      });
      await scene.wake(agentId, {});
    },
  },
  {
    id: "h02-bad-bearer-local-trusted",
    title: "a bad bearer token where none is needed",
    why: "counts as none: accepted",
    run: async (scene) => {
      const agent = await scene.agent("A");
      await scene.wake(agent, {}, { headers: bearer("garbage"), as: "garbage bearer" });
    },
    want: ({ answers }, rows) => {
      assert.equal(only(answers, "answer").status, 401);
      assertNothingWritten(rows);
    },
  },
  {
    id: "h03-revoked-key",
    title: "a key that was revoked",
    why: "counts as none: accepted",
    run: async (scene) => {
      const a = await scene.agent("A");
      const b = await scene.agent("B");
      const { id, token } = await scene.key(a);
      await scene.request("DELETE", `/api/agents/${a}/keys/${id}`);
      const options = { headers: bearer(token), as: "revoked key of A" };
      const { status, body } = await scene.wake(b, {}, options);
      if (status === 202) await isOver(scene, (body as Row)["id"]);
    },
    want: ({ answers }, rows) => {
      assert.equal(answers.at(-1)?.status, 401);
      assertNothingWritten(rows);
    },
  },
];
