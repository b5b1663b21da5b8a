// A real nats-server's partition() agrees with ours: if a server changes its hash, agents would be looked for in the wrong partition.
import { randomUUID } from "node:crypto";
import { jetstream, jetstreamManager } from "@nats-io/jetstream";
import { connect, type NatsConnection } from "@nats-io/transport-node";
import { partitionOf } from "@reveille/shared/protocol/partition";
import { createSubjects, parseStored } from "@reveille/shared/protocol/subjects";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startTestNats, type TestNats } from "./harness/nats.js";

let nats: TestNats;
let client: NatsConnection;

beforeAll(async () => {
  nats = await startTestNats();
  const url = new URL(nats.serviceUrl);
  client = await connect({ servers: url.host, user: url.username, pass: url.password });
});
afterAll(async () => {
  await client?.close();
  await nats?.stop();
});

const company = "00000000-0000-4000-8000-00000000000a";
/** The ids of the golden values in `shared/src/protocol/partition.test.ts`, and some that nobody has chosen. */
const agents = [
  "00000000-0000-4000-8000-000000000000",
  "ffffffff-ffff-4fff-bfff-ffffffffffff",
  "5d3b9470-69da-802c-8c8a-6a4e6fd73b68",
  "3f645f39-f5f4-8198-b08a-5953bad82773",
  "e33ae83a-c95d-836c-9cf5-1fa13bbea350",
  ...Array.from({ length: 200 }, () => randomUUID() as string),
];

test.each([1, 10, 64])(
  "the server puts agents where we look for them, of %i partitions",
  async (count) => {
    const subjects = createSubjects("hash");
    const name = `HASH_${count}`;
    const manager = await jetstreamManager(client);
    await manager.streams.add({
      name,
      subjects: subjects.mailboxes,
      subject_transform: {
        src: subjects.mailboxTransformSource,
        dest: subjects.mailboxTransform(1, count),
      },
    });
    for (const agent of agents)
      await jetstream(client).publish(subjects.mailbox(company, agent, "wake"));
    // The echo: under which subject the server keeps each message.
    const { state } = await manager.streams.info(name, { subjects_filter: ">" });
    const stored = Object.keys(state.subjects ?? {}).map(parseStored);
    await manager.streams.delete(name);
    const expected = agents.map((agentId) => ({
      generation: 1,
      partition: partitionOf(agentId, count),
      companyId: company,
      agentId,
      kind: "wake",
    }));
    const byAgent = (list: readonly ((typeof expected)[number] | null)[]) =>
      list.toSorted((a, b) => (a!.agentId < b!.agentId ? -1 : 1));
    expect(byAgent(stored)).toEqual(byAgent(expected));
  },
);
