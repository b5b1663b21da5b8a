// Owns the scenarios of a wake's way in: fields, sources, who is asked for, what is refused.
import assert from "node:assert/strict";
import type { Row } from "../client.js";
import { assertNothingWritten, column, only } from "../evidence.js";
import type { Scenario } from "../scenario.js";
import type { Scene } from "../scene.js";
import { isOver, isQuiet, wakeToEnd } from "../waits.js";

/** A UUID that nothing has. */
export const nobody = "00000000-0000-4000-8000-000000000000";

const command = (scene: Scene, agentId: string, name: string) =>
  scene.request("POST", `/api/agents/${agentId}/${name}`, undefined, { noBody: true });

const accepted: readonly Scenario[] = [
  {
    id: "a01-wake-idle",
    rows: ["W1", "W4", "W11", "Q4", "E6", "E7", "E8", "O5", "O7", "L5", "L6"],
    title: "idle agent, empty body",
    why: "response is the row as inserted (status queued); ends succeeded",
    ws: true,
    run: async (scene) => {
      await wakeToEnd(scene, await scene.agent("A"));
    },
  },
  {
    id: "a02-wake-all-fields",
    rows: ["W11", "C1", "C3"],
    title: "source, trigger, reason, payload, idempotencyKey",
    why: "payload.taskKey -> contextSnapshot.taskKey; reason -> wakeReason",
    run: async (scene) => {
      await wakeToEnd(scene, await scene.agent("A"), {
        source: "automation",
        triggerDetail: "callback",
        reason: "why",
        payload: { taskKey: "T1", x: 1 },
        idempotencyKey: "k1",
      });
    },
  },
  {
    id: "a03-idempotency-key-not-enforced",
    rows: ["W12", "B10"],
    title: "same idempotencyKey twice, one after the other",
    why: "the key is stored only; two runs",
    run: async (scene) => {
      const agent = await scene.agent("A");
      await wakeToEnd(scene, agent, { idempotencyKey: "same" });
      await wakeToEnd(scene, agent, { idempotencyKey: "same" });
    },
    want: ({ answers }, rows) => {
      const run = only(rows.heartbeat_runs, "run");
      assert.deepEqual(
        column(
          answers.map(({ body }) => body as Row),
          "id",
        ),
        [run["id"], run["id"]],
      );
      assert.deepEqual(column(answers as unknown as Row[], "status"), [202, 202]);
      assert.deepEqual(column(rows.agent_wakeup_requests, "run_id"), [run["id"], run["id"]]);
    },
  },
  {
    id: "a06-wake-shortname",
    rows: ["W2"],
    title: "short name with companyId",
    why: "accepted; an unknown one is 500",
    run: async (scene) => {
      await scene.agent("Bob Smith");
      const path = (name: string): string =>
        `/api/agents/${name}/wakeup?companyId=${scene.companyId}`;
      await scene.request("POST", path("bob-smith"), {});
      await isQuiet(scene);
      await scene.request("POST", path("nobody"), {});
    },
    want: ({ answers }, rows) => {
      assert.deepEqual(column(answers as unknown as Row[], "status"), [202, 404]);
      assert.equal(only(rows.heartbeat_runs, "run")["status"], "succeeded");
    },
  },
  {
    id: "a09-wake-no-body",
    title: "a body without a field",
    why: "accepted",
    run: async (scene) => {
      await scene.wake(await scene.agent("A"), {});
    },
  },
  {
    id: "a17-heartbeat-invoke",
    rows: ["W2", "W13"],
    title: "POST /agents/:id/heartbeat/invoke",
    why: "on_demand, manual",
    run: async (scene) => {
      const invoke = (id: string) => scene.request("POST", `/api/agents/${id}/heartbeat/invoke`);
      const { body } = await invoke(await scene.agent("A"));
      await isOver(scene, (body as Row)["id"]);
      await invoke(nobody);
    },
  },
  {
    id: "a18-body-contextSnapshot-ignored",
    title: "contextSnapshot in the body",
    why: "unknown keys are stripped",
    run: async (scene) => {
      const body = { contextSnapshot: { taskKey: "X" }, forceFreshSession: true };
      await wakeToEnd(scene, await scene.agent("A"), body);
    },
  },
];

const refused: readonly Scenario[] = [
  {
    id: "a05-wake-shortname-no-company",
    title: "short name without a company",
    why: "422",
    run: async (scene) => {
      await scene.wake("bob", {});
    },
  },
  {
    id: "a07-wake-invalid-source",
    rows: ["W1"],
    title: "bogus source, bogus trigger, payload that is a list, reason that is a number",
    why: "400 with details",
    run: async (scene) => {
      const agent = await scene.agent("A");
      await scene.wake(agent, { source: "bogus" });
      await scene.wake(agent, { triggerDetail: "x" });
      await scene.wake(agent, { payload: [] });
      await scene.wake(agent, { reason: 5 });
    },
    want: ({ answers }, rows) => {
      const fields = ["source", "triggerDetail", "payload", "reason"];
      for (const [index, { status, body }] of answers.entries()) {
        const { error, details } = body as { error: string; details: { path: string[] }[] };
        assert.equal(status, 400);
        assert.equal(error, "Validation error");
        assert.deepEqual(details[0]?.path, [fields[index]]);
      }
      assertNothingWritten(rows);
    },
  },
  {
    id: "a08-wake-bad-json",
    title: "malformed JSON",
    why: "500",
    run: async (scene) => {
      await scene.wake(await scene.agent("A"), "{bad", { raw: true });
    },
    want: ({ answers }, rows) => {
      const { status, body } = only(answers, "answer");
      assert.equal(status, 400);
      assert.match(String((body as Row)["error"]), /JSON/);
      assertNothingWritten(rows);
    },
  },
  {
    id: "a10-wake-paused",
    rows: ["W3", "X7"],
    title: "paused agent",
    why: "409 with details.status; no row",
    run: async (scene) => {
      const agent = await scene.agent("A");
      await command(scene, agent, "pause");
      await scene.wake(agent, {});
      await command(scene, agent, "resume");
      await wakeToEnd(scene, agent);
    },
  },
  {
    id: "a11-wake-terminated",
    rows: ["W3"],
    title: "terminated agent",
    why: "409",
    run: async (scene) => {
      const agent = await scene.agent("A");
      await command(scene, agent, "terminate");
      await scene.wake(agent, {});
      await scene.request("POST", `/api/agents/${agent}/resume`);
    },
  },
  {
    id: "a12-wake-pending-approval",
    rows: ["W3"],
    title: "a hire that needs approval",
    why: "409",
    run: async (scene) => {
      const hire = { name: "H", adapterType: "process", adapterConfig: { command: "/bin/true" } };
      const { body } = await scene.request(
        "POST",
        `/api/companies/${scene.companyId}/agent-hires`,
        hire,
        {
          pick: ({ agent, approval }) => ({
            agentStatus: (agent as Row | undefined)?.["status"],
            approvalStatus: (approval as Row | undefined)?.["status"],
          }),
        },
      );
      const hired = (body as { agent: { id: string } }).agent.id;
      scene.names.give("agent", hired, "H");
      await scene.wake(hired, {});
    },
  },
];

const skipped: readonly Scenario[] = [
  {
    id: "a13-wakeOnDemand-false",
    rows: ["W6", "W8"],
    title: "runtimeConfig.heartbeat.wakeOnDemand is false",
    why: "202 skipped; row with reason heartbeat.wakeOnDemand.disabled",
    run: async (scene) => {
      const heartbeat = { wakeOnDemand: false };
      const agent = await scene.agent("A", { runtimeConfig: { heartbeat } });
      await scene.wake(agent, {});
      await scene.wake(agent, { source: "assignment" });
      await scene.wake(agent, { source: "automation" });
    },
  },
  {
    id: "a15-timer-disabled",
    rows: ["W5", "W7"],
    title: "source timer while timers are off",
    why: "skipped, heartbeat.disabled",
    run: async (scene) => {
      const agent = await scene.agent("A", { runtimeConfig: { heartbeat: { enabled: false } } });
      await scene.wake(agent, { source: "timer" });
      await wakeToEnd(scene, agent, { source: "on_demand" });
    },
  },
];

export const wakeScenarios: readonly Scenario[] = [...accepted, ...refused, ...skipped];
