// Who may publish and subscribe what, asked of real servers that run on what `reveille nats-config` writes, in both modes: the rules
// by hand, each with its neighbours, and every line of the generated lists against every identity.
import { randomUUID } from "node:crypto";
import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import type { NatsConnection } from "@nats-io/transport-node";
import { permissionsOf, userName, type Identity } from "@reveille/shared/nats/permissions";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  refused,
  startGenerated,
  type Action,
  type GeneratedServer,
  type Mode,
} from "./generated-server.js";

const [ours, theirs] = [randomUUID(), randomUUID()];
const [agent, run] = [randomUUID(), randomUUID()];
const gateway: Identity = { kind: "gateway" };
const actor: Identity = { kind: "agent-actor" };
const keeper: Identity = { kind: "keeper" };
const runner: Identity = { kind: "runner", pool: "default" };
const gpuRunner: Identity = { kind: "runner", pool: "gpu" };
const operator: Identity = { kind: "operator" };
const company: Identity = { kind: "company", companyId: ours };
const everybody = [gateway, actor, keeper, runner, gpuRunner, operator, company];

/** `yes`: allowed. Each is followed by what lies nearest to it and is not. */
interface Rule {
  who: Identity;
  action: Action;
  yes: string[];
  no: string[];
}
const rules: Record<string, Rule> = {
  "a company wakes its own agents, and does nothing else to them": {
    who: company,
    action: "publish",
    yes: [`rv.${ours}.agent.${agent}.wake`],
    no: [
      `rv.${theirs}.agent.${agent}.wake`,
      ...["request", "cancel", "pause", "resume", "terminate", "configure", "delete", "cost"].map(
        (kind) => `rv.${ours}.agent.${agent}.${kind}`,
      ),
      `rv.${ours}.agent.${agent}.run.finished`,
      `rv.${ours}.run.${run}.log.stdout`,
      `rv.${ours}.run.${run}.control`,
      `rv.${ours}.event.agent.status`,
    ],
  },
  "a company hears its own logs, events and inbox": {
    who: company,
    action: "subscribe",
    yes: [
      `rv.${ours}.run.*.log.>`,
      `rv.${ours}.run.${run}.log.stdout`,
      `rv.${ours}.event.>`,
      `_INBOX.${ours}.>`,
    ],
    no: [
      `rv.${theirs}.run.*.log.>`,
      "rv.*.run.*.log.>",
      "rv.*.event.>",
      `rv.${theirs}.event.>`,
      "rv.>",
      ">",
      `rv.${ours}.agent.>`,
      `rv.${ours}.run.${run}.control`,
      `_INBOX.${theirs}.>`,
      "_INBOX.>",
      "_INBOX_gateway.>",
      "rv.runner.*.answer",
      "$JS.EVENT.>",
      "$KV.>",
    ],
  },
  "a company replays its own logs, with a filter in the request's subject": {
    who: company,
    action: "publish",
    yes: [
      `$JS.API.CONSUMER.CREATE.LOGS.mine.rv.${ours}.run.${run}.log.>`,
      "$JS.API.CONSUMER.MSG.NEXT.LOGS.mine",
      "$JS.API.CONSUMER.DELETE.LOGS.mine",
      "$JS.API.STREAM.INFO.LOGS",
    ],
    no: [
      "$JS.API.CONSUMER.CREATE.LOGS",
      "$JS.API.CONSUMER.CREATE.LOGS.mine",
      "$JS.API.CONSUMER.DURABLE.CREATE.LOGS.mine",
      `$JS.API.CONSUMER.CREATE.LOGS.mine.rv.${theirs}.run.>`,
      "$JS.API.CONSUMER.CREATE.LOGS.mine.rv.>",
      `$JS.API.CONSUMER.CREATE.MAILBOX.mine.rv.${ours}.agent.>`,
      "$JS.API.CONSUMER.LIST.LOGS",
      "$JS.API.CONSUMER.NAMES.LOGS",
      "$JS.API.STREAM.NAMES",
      "$JS.API.STREAM.INFO.MAILBOX",
      "$JS.API.STREAM.MSG.GET.LOGS",
      "$JS.API.DIRECT.GET.LOGS",
      "$JS.API.CONSUMER.MSG.NEXT.MAILBOX.mine",
      "$JS.API.CONSUMER.MSG.NEXT.EXEC.exec_default",
    ],
  },
  "a runner takes the work of its own pool": {
    who: runner,
    action: "publish",
    yes: ["$JS.API.CONSUMER.MSG.NEXT.EXEC.exec_default", "$JS.ACK.EXEC.exec_default.1.2.3.4.5"],
    no: [
      "$JS.API.CONSUMER.MSG.NEXT.EXEC.exec_gpu",
      "$JS.ACK.EXEC.exec_gpu.1.2.3.4.5",
      "$JS.ACK.MAILBOX.any.1.2.3.4.5",
      "$JS.API.CONSUMER.CREATE.EXEC",
      "$JS.API.CONSUMER.CREATE.EXEC.exec_default.rv.exec.pool.default.>",
      `rv.exec.pool.default.${ours}.${run}.1`,
    ],
  },
  "a runner reports, and gives no orders": {
    who: runner,
    action: "publish",
    yes: [
      `rv.${ours}.agent.${agent}.run.started`,
      `rv.${ours}.agent.${agent}.run.finished`,
      `rv.${ours}.run.${run}.log.stdout`,
      "rv.secrets.resolve",
      "$KV.runner-leases.me",
    ],
    no: [
      `rv.${ours}.agent.${agent}.run.reported`,
      `rv.${ours}.agent.${agent}.wake`,
      `rv.${ours}.agent.${agent}.cancel`,
      `rv.${ours}.run.${run}.control`,
      `rv.${ours}.event.agent.status`,
      `rv.runner.${run}.answer`,
      "$KV.issue-locks.x.y",
      "_INBOX_gateway.forged.verdict",
      "_INBOX_actor.forged.ack",
    ],
  },
  "a runner hears what is for runners": {
    who: runner,
    action: "subscribe",
    yes: [
      "rv.runner.*.answer",
      "rv.*.run.*.control",
      "rv.runner.pool.default.probe",
      "_INBOX_runner.default.>",
    ],
    no: [
      "rv.runner.pool.gpu.probe",
      "_INBOX_runner.gpu.>",
      "_INBOX_runner.>",
      "_INBOX_gateway.>",
      "_INBOX_actor.>",
      "rv.secrets.resolve",
      "rv.exec.>",
      `rv.*.run.*.log.>`,
      `rv.*.agent.>`,
      "$KV.>",
    ],
  },
  "a runner of another pool has that pool alone": {
    who: gpuRunner,
    action: "publish",
    yes: ["$JS.API.CONSUMER.MSG.NEXT.EXEC.exec_gpu", "$JS.ACK.EXEC.exec_gpu.1.2.3.4.5"],
    no: ["$JS.API.CONSUMER.MSG.NEXT.EXEC.exec_default", "$JS.ACK.EXEC.exec_default.1.2.3.4.5"],
  },
  "a gateway asks and commands, and decides nothing": {
    who: gateway,
    action: "publish",
    yes: [
      `rv.${ours}.agent.${agent}.request`,
      `rv.${ours}.agent.${agent}.cancel`,
      "rv.runner.pool.gpu.probe",
    ],
    no: [
      `rv.exec.pool.default.${ours}.${run}.1`,
      `rv.${ours}.run.${run}.control`,
      `rv.runner.${run}.answer`,
      `rv.${ours}.run.${run}.log.stdout`,
      "$KV.issue-locks.x.y",
      "$KV.runner-leases.me",
      "$JS.API.CONSUMER.MSG.NEXT.EXEC.exec_default",
      "$JS.API.CONSUMER.MSG.NEXT.MAILBOX.any",
      "_INBOX_actor.forged.ack",
    ],
  },
  "a gateway hears its own inbox": {
    who: gateway,
    action: "subscribe",
    yes: ["_INBOX_gateway.>", `rv.${ours}.event.>`, `rv.${ours}.run.*.log.>`],
    no: [
      "_INBOX_actor.>",
      "_INBOX_runner.>",
      "_INBOX.>",
      "rv.secrets.resolve",
      "rv.*.agent.>",
      "rv.>",
    ],
  },
  "an actor host dispatches, grants and answers": {
    who: actor,
    action: "publish",
    yes: [
      `rv.exec.pool.gpu.${ours}.${run}.1`,
      `rv.${ours}.agent.${agent}.grant`,
      `rv.runner.${run}.answer`,
      "$KV.issue-locks.x.y",
      "$JS.API.STREAM.PURGE.MAILBOX",
    ],
    no: [
      `rv.${ours}.agent.${agent}.wake`,
      `rv.${ours}.agent.${agent}.cancel`,
      `rv.${ours}.agent.${agent}.run.finished`,
      `rv.${ours}.run.${run}.log.stdout`,
      "$KV.runner-leases.me",
      "$JS.API.STREAM.PURGE.LOGS",
      "$JS.API.CONSUMER.MSG.NEXT.EXEC.exec_default",
    ],
  },
  "the operator reads and changes nothing": {
    who: operator,
    action: "publish",
    yes: [
      "$JS.API.STREAM.INFO.MAILBOX",
      "$JS.API.CONSUMER.LIST.EXEC",
      "$JS.API.STREAM.INFO.KV_issue-locks",
    ],
    no: [
      `rv.${ours}.agent.${agent}.wake`,
      "$KV.issue-locks.x.y",
      "$JS.API.STREAM.PURGE.MAILBOX",
      "$JS.API.STREAM.MSG.DELETE.MAILBOX",
      "$JS.API.CONSUMER.DELETE.EXEC.exec_default",
      "$JS.API.CONSUMER.MSG.NEXT.EXEC.exec_default",
    ],
  },
  "the keeper makes streams, buckets and consumers of pools, and nothing with them": {
    who: keeper,
    action: "publish",
    yes: [
      "$JS.API.STREAM.CREATE.MAILBOX",
      "$JS.API.STREAM.UPDATE.LOGS",
      "$JS.API.STREAM.CREATE.KV_issue-locks",
      "$JS.API.CONSUMER.CREATE.EXEC.exec_gpu.rv.exec.pool.gpu.>",
    ],
    no: [
      "$JS.API.STREAM.CREATE.OTHER",
      "$JS.API.STREAM.DELETE.MAILBOX",
      "$JS.API.STREAM.PURGE.MAILBOX",
      "$JS.API.CONSUMER.CREATE.MAILBOX",
      "$JS.API.CONSUMER.MSG.NEXT.EXEC.exec_default",
      `rv.${ours}.agent.${agent}.wake`,
      `rv.exec.pool.default.${ours}.${run}.1`,
      "$KV.issue-locks.x.y",
    ],
  },
};

/** Nobody's but the keeper's. */
const topologyChanges = [
  "$JS.API.STREAM.CREATE.MAILBOX",
  "$JS.API.STREAM.UPDATE.MAILBOX",
  "$JS.API.STREAM.DELETE.MAILBOX",
  "$JS.API.STREAM.DELETE.KV_issue-locks",
  "$JS.API.STREAM.PURGE.LOGS",
  "$JS.API.STREAM.RESTORE.MAILBOX",
  "$JS.API.STREAM.SNAPSHOT.MAILBOX",
  "$JS.API.CONSUMER.CREATE.EXEC.exec_gpu.rv.exec.pool.gpu.>",
  "$JS.API.CONSUMER.DURABLE.CREATE.EXEC.exec_gpu",
  "$JS.API.CONSUMER.DELETE.EXEC.exec_gpu",
  "$SYS.REQ.SERVER.PING",
];

/** A subject that a pattern allows: a token in each gap. */
const exampleOf = (pattern: string): string => pattern.replaceAll("*", "x").replace(/>$/, "y.z");
function covers(pattern: string, subject: string): boolean {
  const [want, got] = [pattern.split("."), subject.split(".")];
  for (const [at, token] of want.entries()) {
    if (token === ">") return got.length > at;
    if (got[at] === undefined || (token !== "*" && token !== got[at])) return false;
  }
  return want.length === got.length;
}

describe.each<Mode>(["plain", "operator"])("%s mode", (mode) => {
  let server: GeneratedServer;
  const connections = new Map<string, NatsConnection>();
  const as = (who: Identity): NatsConnection => connections.get(userName(who))!;

  beforeAll(async () => {
    server = await startGenerated(mode, ["default", "gpu"], [ours]);
    for (const who of everybody) connections.set(userName(who), await server.connect(who));
  });
  afterAll(async () => {
    for (const connection of connections.values()) await connection.close();
    await server.stop();
  });

  test.each(Object.entries(rules))("%s", async (_, { who, action, yes, no }) => {
    expect(await refused(as(who), action, [...yes, ...no])).toEqual(no);
  });

  test("only the keeper changes the topology", async () => {
    for (const who of everybody.filter(({ kind }) => kind !== "keeper"))
      expect([userName(who), await refused(as(who), "publish", topologyChanges)]).toEqual([
        userName(who),
        topologyChanges,
      ]);
  });

  test.each<Action>(["publish", "subscribe"])(
    "every line of every list, tried by everybody: %s",
    async (action) => {
      const listOf = (who: Identity): string[] =>
        permissionsOf(who, "rv")[action].map(({ subject }) => subject);
      const subjects = [...new Set(everybody.flatMap(listOf).map(exampleOf))];
      for (const who of everybody) {
        const mine = listOf(who);
        const others = subjects.filter((one) => !mine.some((pattern) => covers(pattern, one)));
        expect(others.length).toBeLessThan(subjects.length);
        expect([userName(who), await refused(as(who), action, subjects)]).toEqual([
          userName(who),
          others,
        ]);
      }
    },
  );

  test("a runner answers who asked it, once, and nobody else's inbox", async () => {
    const asked = as(runner).subscribe("rv.runner.pool.default.probe");
    await as(runner).flush();
    const answers: string[] = [];
    const inbox = as(gateway).subscribe("_INBOX_gateway.answer", {
      callback: (_, message) => void answers.push(message.string()),
    });
    as(gateway).publish("rv.runner.pool.default.probe", "?", { reply: "_INBOX_gateway.answer" });
    for await (const question of asked) {
      question.respond("once");
      question.respond("twice");
      break;
    }
    await as(runner).flush();
    await as(gateway).flush();
    inbox.unsubscribe();
    expect(answers).toEqual(["once"]);
  });

  test("nobody connects without credentials", async () => {
    const { connect } = await import("@nats-io/transport-node");
    await expect(connect({ servers: server.url, reconnect: false })).rejects.toThrow(
      /Authorization/i,
    );
  });

  test("a company that comes later gets credentials that work, and keys stay as they are", async () => {
    const late = randomUUID();
    const suffix = mode === "plain" ? "nk" : "creds";
    const before = readFileSync(join(server.dir, `runner-gpu.${suffix}`), "utf8");
    const out = join(server.dir, "given-out");
    await server.command("nats-creds", "--dir", server.dir, "--company", late, "--out", out);
    expect(statSync(out).mode & 0o777).toBe(0o600);
    await expect(
      server.command("nats-creds", "--dir", server.dir, "--company", late, "--out", out),
    ).rejects.toThrow("is there already");
    // Who signs users needs no server; a list of users has to be read again.
    if (mode === "plain") await server.reload();
    const client = await server.connect({ kind: "company", companyId: late });
    const subjects = [`rv.${late}.agent.${agent}.wake`, `rv.${ours}.agent.${agent}.wake`];
    expect(await refused(client, "publish", subjects)).toEqual(subjects.slice(1));
    await client.close();
    const after = readFileSync(join(server.dir, `runner-gpu.${suffix}`), "utf8");
    const seed = (text: string) => /SU[A-Z0-9]{56}/.exec(text)?.[0];
    expect(seed(after)).toBe(seed(before));
  });
});
