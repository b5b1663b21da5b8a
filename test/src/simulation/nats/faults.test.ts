// What each fault does to a process on the simulated server, and that work goes on when it is over.
import { expect, test } from "vitest";
import { StoredPublisher } from "@reveille/shared/nats/stored-publisher";
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
const wake = subjects.mailbox(company, agent, "wake");

async function world(seed = 1) {
  const loop = new Loop();
  const nats = createSimNats({ loop, random: createRandom(seed) });
  const process = new SimProcess(loop, "host");
  const connection = nats.connect(process);
  const publisher = new StoredPublisher(connection.bus, { clock: process.clock });
  const ensure = () => connection.streams.ensureTopology(subjects, 1, 8, defaultSizes);
  const states: string[] = [];
  connection.bus.onState((state) => states.push(state));
  const settled: string[] = [];
  /** What became of it, told when it is known. */
  const watch = (name: string, work: Promise<unknown>): void =>
    void work.then(
      (value) => settled.push(`${name}: ${JSON.stringify(value)}`),
      (error: Error) => settled.push(`${name}: ${error.message}`),
    );
  watch(
    "topology",
    ensure().then(() => "made"),
  );
  await loop.run(1_000);
  const stored = (): number => nats.jetstream.peek(names.mailbox)?.messages.length ?? -1;
  return { loop, nats, process, publisher, ensure, states, settled, watch, stored, ...connection };
}

test("a lost answer: stored once, sent again, stored twice; both answers are one for the caller", async () => {
  const { loop, nats, process, publisher, states, settled, watch, stored } = await world();
  nats.faults.loseNext(process, "to-client");
  watch("publish", publisher.publish(wake, Buffer.from("w")));
  await loop.run(100);
  expect({ stored: stored(), states }).toEqual({
    stored: 1,
    states: ["disconnected", "connected"],
  });
  await loop.run(10_000);
  expect(stored()).toBe(2);
  expect(settled.at(-1)).toContain('"seq":2');
});

test("a lost request: nothing happened, it is sent again", async () => {
  const { loop, nats, process, publisher, settled, watch, stored } = await world();
  nats.faults.loseNext(process, "to-server");
  watch("publish", publisher.publish(wake, Buffer.from("w")));
  await loop.run(10_000);
  expect(stored()).toBe(1);
  expect(settled.at(-1)).toContain('"seq":1');
});

test("a short partition only delays; order stays", async () => {
  const { loop, nats, process, bus, states } = await world();
  const heard: string[] = [];
  const other = nats.connect(new SimProcess(loop, "other"));
  other.bus.subscribe("x", ({ data }) => heard.push(Buffer.from(data).toString()));
  await loop.run(10);
  bus.publish("x", Buffer.from("1"));
  nats.faults.partition(process);
  bus.publish("x", Buffer.from("2"));
  await loop.run(5_000);
  bus.publish("x", Buffer.from("3"));
  expect(heard).toEqual([]);
  nats.faults.heal(process);
  await loop.run(100);
  expect({ heard, states }).toEqual({ heard: ["1", "2", "3"], states: [] });
});

test("a long partition is noticed, given up and survived", async () => {
  const { loop, nats, process, publisher, states, settled, watch } = await world();
  nats.faults.partition(process, "to-client");
  watch("publish", publisher.publish(wake, Buffer.from("w")));
  await loop.run(45_000);
  expect(states).toEqual(["disconnected"]);
  expect(settled.at(-1)).toMatch(/not stored after 6 tries/);
  nats.faults.heal(process);
  await loop.run(15_000);
  expect(states).toEqual(["disconnected", "connected"]);
});

test("a frozen process hears later what came meanwhile; a killed one is forgotten", async () => {
  const { loop, nats } = await world();
  const heard: string[] = [];
  const process = new SimProcess(loop, "listener");
  const { bus } = nats.connect(process);
  bus.subscribe("x", ({ data }) => heard.push(Buffer.from(data).toString()));
  const sender = nats.connect(new SimProcess(loop, "sender"));
  await loop.run(10);
  process.freeze();
  sender.bus.publish("x", Buffer.from("frozen"));
  await loop.run(1_000);
  expect(heard).toEqual([]);
  process.thaw();
  await loop.run(1_000);
  expect(heard).toEqual(["frozen"]);
  process.kill();
  await loop.run(10);
  const asked = sender.bus.request("x", Buffer.from("dead"), 1_000).then(
    () => "answered",
    (error: Error) => error.message,
  );
  await loop.run(20);
  // At once, because nobody listens any more.
  expect(await Promise.race([asked, Promise.resolve("open")])).toContain("no answer on x");
  expect(heard).toEqual(["frozen"]);
});

test("a restarted server keeps streams and work; readers in memory end with a reason", async () => {
  const { loop, nats, streams, publisher, states, watch, stored } = await world();
  const ends: string[] = [];
  const seqs: number[] = [];
  watch(
    "read",
    streams.read({
      stream: names.mailbox,
      filter: "*.*.>",
      startSeq: 1,
      take: ({ seq }) => void seqs.push(seq),
      onEnd: (reason) => ends.push(reason),
    }),
  );
  watch("publish", publisher.publish(wake, Buffer.from("w")));
  await loop.run(1_000);
  nats.faults.kill();
  await loop.run(2_000);
  expect(states).toEqual(["disconnected"]);
  nats.faults.start();
  await loop.run(2_000);
  expect({ states, ends, seqs, stored: stored() }).toEqual({
    states: ["disconnected", "connected"],
    ends: ["reading failed: consumer not found"],
    seqs: [1],
    stored: 1,
  });
});

test("wiped: reads say so, publishing waits for the streams; rolled back: sequences come again", async () => {
  const { loop, nats, streams, publisher, ensure, settled, watch, stored, bucket } = await world();
  watch("first", publisher.publish(wake, Buffer.from("1")));
  await loop.run(100);
  const saved = nats.faults.save();
  const before = nats.jetstream.stream(names.mailbox).at(1)!.timestampNs;
  nats.faults.wipe();
  await loop.run(1_000);
  watch("facts", streams.facts(names.mailbox));
  watch("sentinel", streams.sentinel(names.mailbox, 1, before));
  watch("lock", bucket(names.issueLocks).get("x"));
  watch("publish", publisher.publish(wake, Buffer.from("2")));
  await loop.run(200);
  expect(settled.slice(-3)).toEqual([
    "facts: null",
    'sentinel: "no-stream"',
    expect.stringContaining("bucket issue-locks: stream not found") as string,
  ]);
  watch(
    "topology",
    ensure().then(() => "made"),
  );
  await loop.run(5_000);
  expect({ stored: stored(), last: settled.at(-1) }).toEqual({
    stored: 1,
    last: expect.stringContaining('"seq":1') as string,
  });
  nats.faults.rollBack(saved);
  await loop.run(1_000);
  watch("sentinel", streams.sentinel(names.mailbox, 1, before));
  watch("publish", publisher.publish(wake, Buffer.from("3")));
  await loop.run(5_000);
  expect(settled.slice(-2)).toEqual(['sentinel: "there"', expect.stringContaining('"seq":2')]);
});

test("a full stream refuses for now; JetStream that does not answer costs the client its time", async () => {
  const { loop, nats, publisher, settled, watch, streams } = await world();
  nats.faults.setFull(names.mailbox, true);
  watch("publish", publisher.publish(wake, Buffer.from("1")));
  await loop.run(1_000);
  nats.faults.setFull(names.mailbox, false);
  await loop.run(5_000);
  expect(settled.at(-1)).toContain('"seq":1');
  nats.faults.stall();
  watch("facts", streams.facts(names.mailbox));
  await loop.run(4_000);
  expect(settled.at(-1)).toContain('"seq":1');
  await loop.run(2_000);
  expect(settled.at(-1)).toBe("facts: cannot read MAILBOX: timeout");
});

test("a stored publish comes twice", async () => {
  const { loop, nats, process, publisher, watch, stored } = await world();
  nats.faults.repeatNext(process);
  watch("publish", publisher.publish(wake, Buffer.from("1")));
  await loop.run(10_000);
  expect(stored()).toBe(2);
});

test("the same seed gives the same steps", async () => {
  const trace = async (): Promise<string> => {
    const { loop, nats, process, publisher, settled, watch } = await world(7);
    for (let n = 0; n < 20; n += 1) {
      watch(`publish ${n}`, publisher.publish(wake, Buffer.from(String(n))));
      if (n === 5) nats.faults.cut(process);
      await loop.run(50);
    }
    await loop.run(10_000);
    return `${loop.steps} ${settled.join(" ")}`;
  };
  expect(await trace()).toBe(await trace());
});

test("a reader ends by missed heartbeats when JetStream falls silent, at once when its consumer is deleted", async () => {
  const { loop, nats, streams, watch } = await world();
  const ends: string[] = [];
  const read = (): void =>
    watch(
      "read",
      streams.read({
        stream: names.mailbox,
        filter: "*.*.>",
        startSeq: 1,
        take: () => undefined,
        onEnd: (reason) => ends.push(`${Math.round(loop.nowMs / 1_000)} s: ${reason}`),
      }),
    );
  read();
  await loop.run(9_000);
  nats.faults.deleteReaders(names.mailbox);
  await loop.run(1_000);
  expect(ends).toEqual(["10 s: reading failed: consumer deleted"]);
  read();
  await loop.run(1_000);
  nats.faults.stall();
  await loop.run(60_000);
  expect(ends.slice(1)).toEqual([expect.stringMatching(/^(3|4)\d s: heartbeats_missed$/)]);
});

test("a frozen server delays everything; frozen too long it is given up, and found again", async () => {
  const { loop, nats, publisher, settled, watch, states } = await world();
  nats.faults.freeze();
  watch("publish", publisher.publish(wake, Buffer.from("1")));
  await loop.run(4_000);
  expect(settled).toHaveLength(1);
  nats.faults.thaw();
  await loop.run(1_000);
  expect(settled.at(-1)).toContain('"seq":1');
  expect(states).toEqual([]);
  nats.faults.freeze();
  await loop.run(35_000);
  expect(states).toEqual(["disconnected"]);
  nats.faults.thaw();
  await loop.run(15_000);
  expect(states).toEqual(["disconnected", "connected"]);
});

test("a read of a bucket shows the value before the last only when it is told to", async () => {
  const { loop, nats, bucket, watch, settled } = await world();
  const locks = bucket(names.issueLocks);
  const value = Buffer.from("v");
  watch(
    "writes",
    locks.create("a", value).then((revision) => locks.update("a", value, revision!)),
  );
  await loop.run(100);
  const revisionOf = async (): Promise<void> => {
    watch(
      "get",
      locks.get("a").then((entry) => entry?.revision),
    );
    await loop.run(100);
  };
  await revisionOf();
  nats.faults.setStaleReads(1);
  await revisionOf();
  nats.faults.setStaleReads(0);
  await revisionOf();
  expect(settled.slice(-3)).toEqual(["get: 2", "get: 1", "get: 2"]);
});

test("what comes from nowhere is stored like everything", async () => {
  const { loop, nats, stored, settled, watch, bus } = await world();
  nats.faults.inject({ subject: wake, data: Buffer.from("garbage") });
  expect(stored()).toBe(1);
  watch(
    "flush",
    bus.flush().then(() => "seen"),
  );
  await loop.run(100);
  expect(settled.at(-1)).toBe('flush: "seen"');
});
