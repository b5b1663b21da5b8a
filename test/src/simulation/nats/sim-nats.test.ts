// A host's and a runner's day on the simulated server: publishing, reading, work, buckets, with the shipped publisher.
import { expect, test } from "vitest";
import { StoredPublisher } from "@reveille/shared/nats/stored-publisher";
import type { StoredMessage } from "@reveille/shared/nats/partition-reader";
import { partitionOf } from "@reveille/shared/protocol/partition";
import { createSubjects } from "@reveille/shared/protocol/subjects";
import { defaultSizes, topologyNames } from "@reveille/shared/protocol/topology";
import { Loop } from "../machine/loop.js";
import { SimProcess } from "../machine/process.js";
import { createRandom } from "../machine/random.js";
import { createSimNats } from "./sim-nats.js";

const subjects = createSubjects();
const names = topologyNames(subjects.prefix);
const company = "11111111-1111-4111-8111-111111111111";
const agent = "22222222-2222-4222-8222-222222222222";
const run = "33333333-3333-4333-8333-333333333333";

/** Runs the loop until the work is done; what it throws is thrown. */
async function finished<T>(loop: Loop, work: Promise<T>, limitMs = 60_000): Promise<T> {
  let outcome: { value: T } | { error: unknown } | null = null;
  work.then(
    (value) => (outcome = { value }),
    (error: unknown) => (outcome = { error }),
  );
  await loop.run(limitMs, { done: () => outcome !== null });
  const ended = outcome as { value: T } | { error: unknown } | null;
  if (!ended) throw new Error("not finished in time");
  if ("error" in ended) throw ended.error;
  return ended.value;
}

function world() {
  const loop = new Loop();
  const nats = createSimNats({ loop, random: createRandom(1) });
  const process = new SimProcess(loop, "host");
  const connection = nats.connect(process);
  const publisher = new StoredPublisher(connection.bus, { clock: process.clock });
  const ensure = () => connection.streams.ensureTopology(subjects, 1, 8, defaultSizes);
  return { loop, nats, process, publisher, ensure, ...connection };
}

test("a wake is stored in its partition and read there", async () => {
  const { loop, publisher, ensure, streams } = world();
  await finished(loop, ensure());
  const wake = subjects.mailbox(company, agent, "wake");
  const ack = await finished(loop, publisher.publish(wake, Buffer.from("hello")));
  expect(ack).toEqual({ stream: "MAILBOX", seq: 1, duplicate: false });
  const taken: StoredMessage[] = [];
  const partition = partitionOf(agent, 8);
  await finished(
    loop,
    streams.read({
      stream: names.mailbox,
      filter: subjects.partitionFilter(partition),
      startSeq: 1,
      take: (message) => void taken.push(message),
      onEnd: (reason) => expect.fail(reason),
    }),
  );
  await loop.run(100);
  expect(taken.map(({ subject, seq }) => ({ subject, seq }))).toEqual([
    { subject: `1.${partition}.${company}.${agent}.wake`, seq: 1 },
  ]);
  expect(await finished(loop, streams.sentinel(names.mailbox, 1, taken[0]!.timestampNs))).toBe(
    "there",
  );
});

test("one copy of an execution is stored, delivered, given back and taken again", async () => {
  const { loop, publisher, ensure, openQueue, nats } = world();
  await finished(loop, ensure());
  const subject = subjects.execution("default", company, run, 1);
  const once = { onlyIfSubjectEmpty: true };
  expect(await finished(loop, publisher.publish(subject, Buffer.from("run"), once))).not.toBeNull();
  expect(await finished(loop, publisher.publish(subject, Buffer.from("run"), once))).toBeNull();
  const counts: number[] = [];
  const queue = openQueue({
    stream: names.exec,
    consumer: names.poolConsumer("default"),
    take: (item) => {
      counts.push(item.deliveryCount);
      if (counts.length === 1) item.nak(1_000);
      else if (counts.length === 3) item.ack();
    },
    onMissing: () => expect.fail("missing"),
  });
  queue.want(5);
  await loop.run(20_000);
  expect(counts).toEqual([1, 2, 3]);
  expect(nats.jetstream.peek(names.exec)?.messages).toEqual([]);
});

test("a bucket decides by revision", async () => {
  const { loop, ensure, bucket } = world();
  await finished(loop, ensure());
  const locks = bucket(names.issueLocks);
  const value = Buffer.from("v");
  expect(await finished(loop, locks.create("a", value))).toBe(1);
  expect(await finished(loop, locks.create("a", value))).toBeNull();
  expect(await finished(loop, locks.update("a", value, 1))).toBe(2);
  expect(await finished(loop, locks.update("a", value, 1))).toBeNull();
  expect(await finished(loop, locks.remove("a", 2))).toBe(true);
  expect(await finished(loop, locks.get("a"))).toBeNull();
  expect(await finished(loop, locks.create("a", value))).toBe(4);
  expect(await finished(loop, locks.keys())).toEqual(["a"]);
});
