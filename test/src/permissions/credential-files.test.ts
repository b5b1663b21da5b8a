// A whole system whose services are told who they are by files, as a cluster's are: nkeys on a plain server, JWTs in operator mode. A
// company's own credentials wake its agent, hear the verdict and the log, and read the log again.
import { headers, type NatsConnection } from "@nats-io/transport-node";
import { jetstream } from "@nats-io/jetstream";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { until } from "../harness/until.js";
import {
  createAgent,
  runIsOver,
  startWholeSystem,
  type WholeSystem,
} from "../harness/whole-system.js";
import { proofFile, startGenerated, type GeneratedServer, type Mode } from "./generated-server.js";

describe.each<Mode>(["plain", "operator"])("%s mode", (mode) => {
  let server: GeneratedServer;
  let system: WholeSystem;
  let client: NatsConnection;
  let agent: { companyId: string; agentId: string };

  beforeAll(async () => {
    server = await startGenerated(mode, ["default"], []);
    const files = (kind: "gateway" | "agent-actor" | "keeper") =>
      proofFile(mode, server.dir, { kind });
    const keeper = Object.values(files("keeper"))[0]!;
    const keeperFile = `REVEILLE_KEEPER_NATS_${mode === "plain" ? "NKEY" : "CREDS"}_FILE`;
    const variable = mode === "plain" ? "NATS_NKEY_FILE" : "NATS_CREDS_FILE";
    const runner = proofFile(mode, server.dir, { kind: "runner", pool: "default" });
    system = await startWholeSystem({
      natsUrl: server.url,
      partitions: 4,
      env: {
        gateway: { [variable]: Object.values(files("gateway"))[0] },
        "agent-actor": { [variable]: Object.values(files("agent-actor"))[0], [keeperFile]: keeper },
        runner: { [variable]: Object.values(runner)[0] },
      },
    });
    agent = await createAgent(system, "console.log('hello')");
    const { companyId } = agent;
    const out = `${server.dir}/company.given`;
    await server.command("nats-creds", "--dir", server.dir, "--company", companyId, "--out", out);
    if (mode === "plain") await server.reload();
    client = await server.connect({ kind: "company", companyId });
  });
  afterAll(async () => {
    await client?.close();
    await system?.stop();
    await server?.stop();
  });

  test("a company wakes its agent, is told the verdict, follows the run and reads its log again", async () => {
    const { companyId, agentId } = agent;
    const inbox = `_INBOX.${companyId}.verdict`;
    const verdicts: { run?: { id: string } }[] = [];
    client.subscribe(inbox, { callback: (_, message) => void verdicts.push(message.json()) });
    const live: string[] = [];
    client.subscribe(`rv.${companyId}.run.*.log.>`, {
      callback: (_, message) => void live.push(message.string()),
    });
    const h = headers();
    h.set("Reveille-Reply-To", inbox);
    const ack = await jetstream(client).publish(`rv.${companyId}.agent.${agentId}.wake`, "{}", {
      headers: h,
    });
    expect(ack.stream).toBe("MAILBOX");
    const runId = await until("a verdict", () => verdicts[0]?.run?.id);
    expect(await runIsOver(system, runId)).toMatchObject({ status: "succeeded" });
    await until("the log is heard live", () => live.join("").includes("hello"));

    const stored = await jetstream(client).consumers.get("LOGS", {
      filter_subjects: `rv.${companyId}.run.${runId}.log.>`,
    });
    const read: string[] = [];
    for await (const message of await stored.consume()) {
      read.push(message.string());
      if (message.info.pending === 0) break;
    }
    expect(read.join("")).toBe("hello\n");
  });
});
