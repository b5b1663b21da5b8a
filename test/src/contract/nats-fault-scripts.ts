// Owns the scripts of the NATS contract in which something goes wrong: what each operation says of it, and how everything goes on.
import { pause } from "@reveille/shared/runtime/clock";
import type { WorkItem } from "@reveille/shared/nats/work-queue";
import { agents, bytes, company, openScene, runs, text } from "./nats-scene.js";
import type { Scene } from "./nats-scene.js";
import type { Script } from "./nats-scripts.js";
import { until } from "./nats-side.js";

const wakeOf = ({ side }: Scene, n = 0): string =>
  side.subjects.mailbox(company, agents[n]!, "wake");

/** Reads everything, and tells how it ends. */
async function readAll(scene: Scene): Promise<{ seqs: number[]; ends: string[] }> {
  const seqs: number[] = [];
  const ends: string[] = [];
  await scene.streams.read({
    stream: scene.side.names.mailbox,
    filter: "*.*.>",
    startSeq: 1,
    take: ({ seq }) => void seqs.push(seq),
    onEnd: (reason) => void ends.push(reason),
  });
  return { seqs, ends };
}

/** The topology is made, left alone, moved to a new generation; each message keeps the subject of its time. */
export const generations: Script = async (side) => {
  const scene = await openScene(side);
  const { ensure, note, publish, streams, say, seen } = scene;
  await note("as it is", ensure(1));
  await publish(wakeOf(scene), bytes("1"));
  await note("next", ensure(2));
  await publish(wakeOf(scene), bytes("2"));
  await note("facts", streams.facts(side.names.mailbox));
  const found: string[] = [];
  const reader = await streams.read({
    stream: side.names.mailbox,
    filter: "*.*.>",
    startSeq: 1,
    take: ({ subject }) => void found.push(subject),
    onEnd: (reason) => say("end", reason),
  });
  await until(side, "both", () => found.length === 2);
  say("subjects", found);
  await reader.stop();
  return seen;
};

/** The server dies and comes back with its store: streams and work stay, readers end, what was published meanwhile is lost. */
export const restart: Script = async (side) => {
  const scene = await openScene(side);
  const { bus, publish, openQueue, streams, say, note, seen, server } = { ...scene, ...side };
  const states: string[] = [];
  bus.onState((state) => states.push(state));
  const heard: string[] = [];
  bus.subscribe(`${side.subjects.prefix}.x`, ({ data }) => heard.push(text(data)));
  const { seqs, ends } = await readAll(scene);
  await publish(wakeOf(scene), bytes("1"));
  await until(side, "read", () => seqs.length === 1);
  const items: WorkItem[] = [];
  const queue = openQueue({
    stream: side.names.exec,
    consumer: side.names.poolConsumer("default"),
    take: (item) => void items.push(item),
    onMissing: () => say("missing", true),
  });
  queue.want(3);
  await publish(side.subjects.execution("default", company, runs[0]!, 1), bytes("e"));
  await until(side, "delivered", () => items.length === 1);
  await server.kill();
  await until(side, "noticed", () => !bus.connected);
  bus.publish(`${side.subjects.prefix}.x`, bytes("lost"));
  await pause(side.clock, 1_500);
  await server.start();
  await until(side, "back", () => bus.connected);
  bus.publish(`${side.subjects.prefix}.x`, bytes("heard"));
  await until(side, "ended", () => ends.length === 1);
  await until(side, "heard", () => heard.length === 1);
  say("states", states);
  say("ends", ends);
  say("heard", heard);
  await note("publish", publish(wakeOf(scene), bytes("2")));
  await note("facts", streams.facts(side.names.mailbox));
  await until(side, "delivered again", () => items.length === 2);
  say("again", [items[1]!.subject, items[1]!.deliveryCount]);
  items[1]!.ack();
  await pause(side.clock, 300);
  await note("left", streams.facts(side.names.exec));
  await queue.stop();
  return seen;
};

/** Everything that was stored is gone: what each operation says before the topology is made anew, and where things begin then. */
export const wiped: Script = async (side) => {
  const scene = await openScene(side);
  const { bus, publish, openQueue, streams, bucket, ensure, say, note, seen } = scene;
  const { names, subjects } = side;
  const { ends } = await readAll(scene);
  await publish(wakeOf(scene), bytes("1"));
  const locks = await bucket(names.issueLocks);
  await locks.create("a", bytes("x"));
  const createdBefore = await locks.createdAtMs();
  const missing: string[] = [];
  const items: WorkItem[] = [];
  const queue = openQueue({
    stream: names.exec,
    consumer: names.poolConsumer("default"),
    take: (item) => void items.push(item),
    onMissing: () => missing.push("missing"),
    onFound: () => missing.push("found"),
  });
  queue.want(1);
  await side.server.wipe();
  await until(side, "ended", () => ends.length === 1);
  await until(side, "back", () => bus.connected);
  say("ends", ends);
  await note("facts", streams.facts(names.mailbox));
  await note("sentinel", streams.sentinel(names.mailbox, 1, 1n));
  await note("trim", streams.purgeBefore(names.mailbox, "*.1.>", 2));
  await note("withdraw", streams.purgeSubject(names.exec, "x"));
  await note("read", readAll(scene));
  await note("get", locks.get("a"));
  await note("create", locks.create("a", bytes("y")));
  await note("update", locks.update("a", bytes("y"), 1));
  await note("remove", locks.remove("a", 1));
  await note("put", locks.put("a", bytes("y")));
  await note("keys", locks.keys());
  await note("created", locks.createdAtMs());
  await note("age", locks.ageMs());
  await note("publish", publish(wakeOf(scene), bytes("2")));
  await until(side, "missing", () => missing.length > 0);
  await note("ensure", ensure(2));
  await note("publish", publish(wakeOf(scene), bytes("3")));
  await note("lock", locks.create("a", bytes("z")));
  say("another bucket", (await locks.createdAtMs()) !== createdBefore);
  const ageMs = await locks.ageMs();
  say("a young one, by the server's clock", ageMs >= 0 && ageMs < 30_000);
  await publish(subjects.execution("default", company, runs[0]!, 1), bytes("e"));
  await until(side, "work goes on", () => items.length === 1);
  say("found", missing.at(-1));
  items[0]!.ack();
  await queue.stop();
  return seen;
};

/** The store is an older copy of itself: sequences and revisions come a second time. */
export const rolledBack: Script = async (side) => {
  const scene = await openScene(side);
  const { bus, publish, streams, bucket, say, note, seen } = scene;
  const { names } = side;
  const locks = await bucket(names.issueLocks);
  const stamps: bigint[] = [];
  await publish(wakeOf(scene), bytes("1"));
  await note("lock", locks.create("a", bytes("x")));
  const createdBefore = await locks.createdAtMs();
  const restore = await side.server.save();
  await until(side, "back", () => bus.connected);
  await publish(wakeOf(scene), bytes("2"));
  await note("renew", locks.update("a", bytes("y"), 1));
  const reader = await streams.read({
    stream: names.mailbox,
    filter: "*.*.>",
    startSeq: 1,
    take: ({ timestampNs }) => void stamps.push(timestampNs),
    onEnd: () => undefined,
  });
  await until(side, "read", () => stamps.length === 2);
  await reader.stop();
  await restore();
  // The client finds out by itself, some milliseconds later.
  await pause(side.clock, 1_000);
  await until(side, "back again", () => bus.connected);
  await note("facts", streams.facts(names.mailbox));
  await note("first", streams.sentinel(names.mailbox, 1, stamps[0]!));
  await note("second", streams.sentinel(names.mailbox, 2, stamps[1]!));
  await note("lock", locks.get("a"));
  await note("late renewal", locks.update("a", bytes("z"), 2));
  await note("publish", publish(wakeOf(scene), bytes("3")));
  await note("another second", streams.sentinel(names.mailbox, 2, stamps[1]!));
  say("the same bucket", (await locks.createdAtMs()) === createdBefore);
  return seen;
};

/** One stream is deleted under everybody. */
export const streamDeleted: Script = async (side) => {
  const scene = await openScene(side);
  const { publish, streams, say, note, seen } = scene;
  const { ends, seqs } = await readAll(scene);
  await publish(wakeOf(scene), bytes("1"));
  await until(side, "read", () => seqs.length === 1);
  await side.server.deleteStream(side.names.mailbox);
  await until(side, "ended", () => ends.length === 1);
  say("ends", ends);
  await note("facts", streams.facts(side.names.mailbox));
  await note("ensure", scene.ensure(2));
  await note("publish", publish(wakeOf(scene), bytes("2")));
  return seen;
};
