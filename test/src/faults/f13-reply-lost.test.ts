// F13: what was asked has happened, and nobody hears it: Postgres commits, or JetStream stores, and the answer is lost with the
// connection. Whoever asked finds out, or repeats what is harmless to repeat; each thing happens once.
import { topologyNames } from "@reveille/shared/protocol/topology";
import { afterAll, expect, test } from "vitest";
import { clusterOfFile } from "../harness/cluster.js";
import { inForm } from "../harness/fault-form.js";
import { openLoad } from "../harness/load.js";
import { serviceNats, startTestNats, type TestNats } from "../harness/nats.js";
import { sharedPostgresUrl } from "../harness/provided.js";
import { startProxy, type Proxy } from "../harness/proxy.js";
import { until } from "../harness/until.js";

const rounds = inForm(3, 10);
const perRound = inForm(16, 60);
/** Services of a kind go through a link of their own, so that it is known whose reply is lost. */
const kinds = ["gateway", "agent-actor", "runner"] as const;
type Link = (typeof kinds)[number] | "postgres";

let nats: TestNats;
const links = {} as Record<Link, Proxy>;
const portOf = (url: string): number => Number(new URL(url).port);
// Hooks run backwards: the servers and links go after those who use them.
afterAll(async () => {
  await Promise.all(Object.values(links).map((link) => link.stop()));
  await nats.stop();
});
const cluster = clusterOfFile(async () => {
  nats = await startTestNats();
  for (const kind of kinds) links[kind] = await startProxy(portOf(nats.serviceUrl));
  links.postgres = await startProxy(portOf(sharedPostgresUrl()));
  const env = Object.fromEntries(
    kinds.map((kind) => [kind, serviceNats(links[kind].urlOf(nats.serviceUrl), kind)]),
  );
  return { nats, env, databaseUrlOf: (url: string) => links.postgres.urlOf(url) };
});

const { mailbox, exec, issueLocks } = topologyNames("rv");
const has = (text: string) => (bytes: Buffer) => bytes.includes(text);
const stored = (stream: string) => has(`"stream":"${stream}"`);

interface LostReply {
  link: Link;
  /** In the bytes of the protocol. */
  request: (bytes: Buffer) => boolean;
  reply?: (bytes: Buffer) => boolean;
}
const replies: Record<string, LostReply> = {
  "the commit of a batch": { link: "postgres", request: has("commit_batch") },
  "storing an execution": {
    link: "agent-actor",
    request: has("rv.exec.pool."),
    reply: stored(exec),
  },
  "writing an issue's lock": {
    link: "agent-actor",
    request: has(`$KV.${issueLocks}.`),
    reply: stored(`KV_${issueLocks}`),
  },
  "storing a run's end": {
    link: "runner",
    request: has(".run.finished"),
    reply: stored(mailbox),
  },
};

test.each(Object.keys(replies))(
  "[F13] the reply is lost after %s: it happened once",
  async (what) => {
    const { link, ...match } = replies[what]!;
    const load = await openLoad(cluster(), { name: what.replaceAll(/\W+/g, "-"), lives: 50 });
    const { counts } = links[link];
    for (let round = 0; round < rounds; round += 1) {
      const dropped = counts.repliesDropped;
      links[link].dropNextReply(match);
      await load.more(perRound);
      await until("a reply was lost", () => counts.repliesDropped > dropped);
    }
    await load.settle({ order: "stored" });
    expect(await load.outcomes()).toEqual([
      { status: "succeeded", attempt: 1, n: expect.any(Number) },
    ]);
  },
);

test("[F13] the reply is lost after a wake over HTTP was stored: the caller hears of it all the same, once", async () => {
  const [agent] = await cluster().agents(1, 50);
  const link = links.gateway;
  const runs = new Set<string>();
  for (let round = 0; round < rounds; round += 1) {
    const dropped = link.counts.repliesDropped;
    link.dropNextReply({ request: has(".request"), reply: stored(mailbox) });
    const { status, body } = await cluster().system.call(
      "POST",
      `/agents/${agent!.agentId}/wakeup`,
      { payload: { taskKey: `lost-${round}` }, idempotencyKey: `lost-${round}` },
    );
    expect(status).toBe(202);
    runs.add(String(body["id"]));
    expect(link.counts.repliesDropped).toBe(dropped + 1);
  }
  await cluster().atRest([], 20_000);
  await cluster().expectAllWell([], [agent!], "stored");
  const found = await cluster().rows<{ id: string; attempt: number }>(
    "select id, attempt from heartbeat_runs where agent_id = $1",
    [agent!.agentId],
  );
  expect(new Set(found.map(({ id }) => id))).toEqual(runs);
  expect(found.every(({ attempt }) => attempt === 1)).toBe(true);
});
