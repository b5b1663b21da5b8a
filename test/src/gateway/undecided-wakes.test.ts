// JetStream loses its store while a wake has no verdict: the gateway that took it lists it and puts it into the new stream.
import { ensureTopology } from "@reveille/shared/nats/topology-keeper";
import { decodePayload } from "@reveille/shared/protocol/codec";
import { defaultSizes } from "@reveille/shared/protocol/topology";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createAgent, eventually, startGatewayRig, subjects } from "./rig.js";
import type { GatewayProcess, GatewayRig, Row } from "./rig.js";

let rig: GatewayRig;
let gateway: GatewayProcess;

beforeAll(async () => {
  rig = await startGatewayRig();
  gateway = await rig.gateway();
});
afterAll(() => rig?.stop());

/** What a host does when it finds the stream gone. */
async function nextGeneration(generation: number): Promise<void> {
  await rig.database.query("update mailbox_state set generation = $1", [generation]);
  await eventually("NATS is back, with its streams", () =>
    ensureTopology(rig.bus, subjects, generation, 4, defaultSizes).then(
      () => true,
      () => false,
    ),
  );
}

/** The first wake in the stream as it is now. */
const firstStored = async (): Promise<Row | undefined> => {
  const stored = await rig.bus.jsm.streams.getMessage("MAILBOX", { seq: 1 }).catch(() => null);
  const decoded = stored && decodePayload(stored.data);
  return decoded?.ok ? decoded.value : undefined;
};

test("a wake that only the lost stream had is listed, sent again and decided", async () => {
  const { companyId, agentId } = await createAgent(gateway);
  rig.actor.verdict = () => null;
  const gaps: Row[] = [];
  rig.bus.subscribe(subjects.event(companyId, "mailbox.gap"), ({ data }) => {
    gaps.push((JSON.parse(Buffer.from(data).toString()) as { payload: Row }).payload);
  });
  const answer = gateway.call("POST", `/api/agents/${agentId}/wakeup`, { reason: "kept" });
  const heard = await eventually("the wake is stored", () =>
    rig.actor.heard.find((one) => one.agentId === agentId && one.kind === "request"),
  );
  const wakeId = String(heard.body["id"]);

  await rig.nats.wipe();
  await nextGeneration(2);

  const again = await eventually("it is in the new stream", firstStored);
  expect(again).toMatchObject({ id: wakeId, reason: "kept" });
  expect(gaps).toContainEqual({
    generation: 2,
    why: "wakes sent again",
    wakes: 1,
    wakeIds: [wakeId],
  });
  await rig.database.query(
    `insert into wake_verdicts (agent_id, wake_id, company_id, verdict) values ($1, $2, $3, $4)`,
    [agentId, wakeId, companyId, JSON.stringify({ outcome: "skipped", wakeId, reason: "late" })],
  );
  expect(await answer).toMatchObject({ status: 202, body: { status: "skipped" } });
});

test("a wake with its verdict is not sent again", async () => {
  const { agentId } = await createAgent(gateway);
  rig.actor.verdict = () => ({ outcome: "skipped", reason: "heartbeat.disabled" });
  expect((await gateway.call("POST", `/api/agents/${agentId}/wakeup`, {})).status).toBe(202);
  await rig.nats.wipe();
  await nextGeneration(3);
  // Another wake shows that the gateway has looked since: it is undecided at first, and the only one.
  rig.actor.verdict = () => null;
  const other = await createAgent(gateway);
  const path = `/api/agents/${other.agentId}/wakeup`;
  // Its answer never comes: it ends with the gateway.
  const unanswered = gateway.call("POST", path, { reason: "other" }).catch(() => undefined);
  const first = await eventually("a wake is stored", firstStored);
  expect(first).toMatchObject({ reason: "other" });
  const metrics = String((await gateway.call("GET", "/metrics")).body);
  expect(metrics).toContain("reveille_wakes_sent_again_total 1");
  gateway.child.kill("SIGKILL");
  await unanswered;
});
