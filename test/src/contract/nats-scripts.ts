// Owns the scripts of the NATS contract that need no fault: what is stored, refused, read, delivered, locked. Each returns what it observed.
import { pause } from "@reveille/shared/runtime/clock";
import type { StoredMessage } from "@reveille/shared/nats/partition-reader";
import type { WorkItem } from "@reveille/shared/nats/work-queue";
import { partitionOf } from "@reveille/shared/protocol/partition";
import { createRandom } from "../simulation/machine/random.js";
import { agents, bytes, company, openScene, partitions, runs, shown, text } from "./nats-scene.js";
import { until } from "./nats-side.js";
import type { Side } from "./nats-side.js";

export type Script = (side: Side) => Promise<string[]>;

/** Stores, questions and purges in the order of a seed. */
export const seededStreams =
  (seed: number): Script =>
  async (side) => {
    const { publish, streams, note, say, seen } = await openScene(side);
    const { subjects, names } = side;
    const random = createRandom(seed);
    const stamps: { seq: number; ns: bigint }[] = [];
    const all: StoredMessage[] = [];
    const reader = await streams.read({
      stream: names.mailbox,
      filter: "*.*.>",
      startSeq: 1,
      take: (message) => {
        all.push(message);
        stamps.push({ seq: message.seq, ns: message.timestampNs });
      },
      onEnd: (reason) => say("end", reason),
    });
    let stored = 0;
    for (let n = 0; n < 80; n += 1) {
      const agent = random.pick(agents);
      const partition = partitionOf(agent, partitions);
      const run = random.pick(runs);
      const execution = subjects.execution("default", company, run, random.between(1, 2));
      switch (random.below(9)) {
        case 0:
        case 1:
        case 2: {
          const kind = random.pick(["wake", "run.finished", "timer"] as const);
          stored += 1;
          await note(
            `${n} mailbox`,
            publish(subjects.mailbox(company, agent, kind), bytes("x".repeat(random.below(200)))),
          );
          // So that the stamps below are known on both servers.
          await until(side, "what is stored is read", () => all.length === stored);
          break;
        }
        case 3:
          await note(`${n} exec`, publish(execution, bytes(run), { onlyIfSubjectEmpty: true }));
          break;
        case 4:
          await note(
            `${n} log`,
            publish(subjects.log(company, run, "stdout"), bytes("line\n"), {
              headers: { "Reveille-Seq": String(n), "Reveille-Attempt": "1" },
            }),
          );
          break;
        case 5:
          await note(`${n} withdraw`, streams.purgeSubject(names.exec, execution));
          break;
        case 6: {
          const filter = subjects.partitionPurge(1, partition);
          await note(
            `${n} trim`,
            streams.purgeBefore(names.mailbox, filter, random.between(1, 30)),
          );
          break;
        }
        case 7: {
          const stamp = stamps.length > 0 ? random.pick(stamps) : { seq: 1, ns: 1n };
          const off = BigInt(random.below(2));
          await note(
            `${n} sentinel ${stamp.seq} ${off}`,
            streams.sentinel(names.mailbox, stamp.seq, stamp.ns + off),
          );
          break;
        }
        default: {
          const name = random.pick([names.mailbox, names.exec, names.logs, "NOWHERE"]);
          await note(`${n} facts ${name}`, streams.facts(name));
        }
      }
    }
    await reader.stop();
    say("read", all.map(shown));
    say(
      "stamps rise",
      stamps.every(({ ns }, at) => at === 0 || ns > stamps[at - 1]!.ns),
    );
    return seen;
  };

/** Compare-and-set, markers and lists in the order of a seed. */
export const seededBucket =
  (seed: number): Script =>
  async (side) => {
    const { bucket, note, seen } = await openScene(side);
    const locks = await bucket(side.names.issueLocks);
    const random = createRandom(seed);
    for (let n = 0; n < 80; n += 1) {
      const key = random.pick(["a", "b", "c.d"]);
      const value = bytes(`v${n}`);
      const current = (await locks.get(key))?.revision;
      const revision = random.chance(0.6) ? (current ?? n) : random.between(1, 40);
      switch (random.below(6)) {
        case 0:
          await note(`${n} create ${key}`, locks.create(key, value));
          break;
        case 1:
          await note(`${n} update ${key} ${revision}`, locks.update(key, value, revision));
          break;
        case 2:
          await note(`${n} remove ${key} ${revision}`, locks.remove(key, revision));
          break;
        case 3:
          await note(`${n} put ${key}`, locks.put(key, value));
          break;
        case 4:
          await note(`${n} keys`, locks.keys(random.pick(["a", ">", "c.*"])));
          break;
        default:
          await note(`${n} get ${key}`, locks.get(key));
      }
    }
    await note("ttl", locks.ttlMs());
    return seen;
  };

/** From a sequence, under a filter, what was there and what comes; nothing after `stop`. */
export const reading: Script = async (side) => {
  const { publish, streams, say, seen } = await openScene(side);
  const { subjects, names } = side;
  const agent = agents[0]!;
  const partition = partitionOf(agent, partitions);
  const send = async (from: number, to: number): Promise<void> => {
    for (let n = from; n <= to; n += 1)
      await publish(subjects.mailbox(company, agents[n % 2]!, "wake"), bytes(String(n)), {
        headers: { "Nats-Msg-Id": `m${n}` },
      });
  };
  await send(1, 20);
  await streams.purgeBefore(names.mailbox, subjects.partitionPurge(1, partition), 5);
  const taken: StoredMessage[] = [];
  const slow: string[] = [];
  const reader = await streams.read({
    stream: names.mailbox,
    filter: subjects.partitionFilter(partition),
    startSeq: 3,
    prefetchMax: 4,
    take: async (message) => {
      taken.push(message);
      slow.push(`begin ${message.seq}`);
      await pause(side.clock, 5);
      slow.push(`end ${message.seq}`);
    },
    onEnd: (reason) => say("end", reason),
  });
  await until(side, "the stored ones are read", () => taken.length === 8);
  await send(21, 40);
  await until(side, "the new ones are read", () => taken.length === 18);
  await reader.stop();
  await send(41, 44);
  await pause(side.clock, 200);
  say("taken", taken.map(shown));
  say("one at a time", slow);
  return seen;
};

/** Two that are on their way together are one; after the window they are two. An answer as JetStream words it. */
export const duplicates: Script = async (side) => {
  const { bus, publish, say, note, seen } = await openScene(side);
  const wake = side.subjects.mailbox(company, agents[0]!, "wake");
  const options = { headers: { "Nats-Msg-Id": "same" } };
  await note(
    "together",
    Promise.all([publish(wake, bytes("1"), options), publish(wake, bytes("2"), options)]),
  );
  await pause(side.clock, 600);
  await note("later", publish(wake, bytes("3"), options));
  const raw = async (what: string, subject: string, headers?: Record<string, string>) => {
    const inbox = bus.createInbox();
    const answers: unknown[] = [];
    const subscription = bus.subscribe(inbox, (message) => {
      const body = text(message.data);
      answers.push({
        body: body ? (JSON.parse(body) as unknown) : "",
        status: message.header("Status"),
      });
    });
    bus.publish(subject, bytes("raw"), headers, inbox);
    await until(side, what, () => answers.length > 0);
    subscription.unsubscribe();
    say(what, answers);
  };
  await raw("stored", wake);
  await raw("expected another", wake, { "Nats-Expected-Last-Subject-Sequence": "77" });
  await raw("no stream", "nobody.here");
  return seen;
};

/** What a full stream says, and what one that forgets keeps. */
export const limits: Script = async (side) => {
  side.sizes = { ...side.sizes, mailboxBytesMax: 1_000, logsBytesMax: 1_000 };
  const { bus, publish, streams, note, say, seen } = await openScene(side);
  const { subjects, names } = side;
  const wake = subjects.mailbox(company, agents[0]!, "wake");
  for (let n = 0; n < 3; n += 1) await note(`wake ${n}`, publish(wake, bytes("x".repeat(200))));
  const inbox = bus.createInbox();
  const answers: unknown[] = [];
  bus.subscribe(inbox, ({ data }) => answers.push(JSON.parse(text(data)) as unknown));
  bus.publish(wake, bytes("x".repeat(200)), undefined, inbox);
  await until(side, "the refusal", () => answers.length > 0);
  say("refused", answers);
  for (let n = 0; n < 8; n += 1)
    await note(
      `log ${n}`,
      publish(subjects.log(company, runs[0]!, "stdout"), bytes("y".repeat(200))),
    );
  await note("mailbox", streams.facts(names.mailbox));
  await note("logs", streams.facts(names.logs));
  return seen;
};

/** Delivered, given back, held, let go, ended; never more than were asked for. */
export const work: Script = async (side) => {
  const { publish, openQueue, streams, say, note, seen } = await openScene(side);
  const { subjects, names } = side;
  const items: WorkItem[] = [];
  const took = (at: number) => until(side, `delivery ${at}`, () => items.length >= at);
  const queue = openQueue({
    stream: names.exec,
    consumer: names.poolConsumer("default"),
    take: (item) => void items.push(item),
    onMissing: () => say("missing", true),
  });
  const execution = (n: number) => subjects.execution("default", company, runs[0]!, n);
  for (let n = 1; n <= 4; n += 1)
    await note(
      `publish ${n}`,
      publish(execution(n), bytes(String(n)), { onlyIfSubjectEmpty: true }),
    );
  queue.want(2);
  await took(2);
  await pause(side.clock, 200);
  say("as many as wanted", items.length);
  items[0]!.ack();
  items[1]!.nak(0);
  // The server looks at answers and at pulls side by side: at once, either could be first.
  await pause(side.clock, 200);
  queue.want(1);
  await took(3);
  say("the one given back comes first", [items[2]!.subject, items[2]!.deliveryCount]);
  items[2]!.nak(500);
  queue.want(3);
  await took(6);
  say(
    "the others, then the delayed one",
    items.slice(3).map((item) => [item.subject, item.deliveryCount]),
  );
  items[3]!.term("never");
  const held = items[4]!;
  const dropped = items[5]!;
  queue.want(5);
  // ack_wait is 5 s: the one that says `working` stays, the other comes again.
  for (let n = 0; n < 7; n += 1) {
    await pause(side.clock, 1_000);
    held.working();
  }
  await took(7);
  say("again", [items[6]!.subject === dropped.subject, items[6]!.deliveryCount, items.length]);
  items[6]!.ack();
  held.ack();
  await pause(side.clock, 300);
  await note("left", streams.facts(names.exec));
  await queue.stop();
  return seen;
};

/** Who hears what: wildcards, queues, requests, silence. */
export const core: Script = async (side) => {
  const { bus, publish, say, note, seen } = await openScene(side);
  const other = await side.connect();
  const prefix = side.subjects.prefix;
  const heard: string[] = [];
  const hear = (name: string, subject: string, queue?: string) =>
    bus.subscribe(
      `${prefix}.${subject}`,
      (message) =>
        heard.push(`${name} ${message.subject} ${text(message.data)} ${message.header("H")}`),
      queue === undefined ? {} : { queue },
    );
  hear("exact", "a.b");
  const star = hear("star", "a.*");
  hear("rest", "a.>");
  hear("queue", "a.b", "q");
  hear("queue", "a.*", "q");
  await bus.flush();
  other.bus.publish(`${prefix}.a.b`, bytes("1"), { H: "h" });
  other.bus.publish(`${prefix}.a.b.c`, bytes("2"));
  other.bus.publish(`${prefix}.a`, bytes("3"));
  await until(side, "heard", () => heard.length >= 5);
  star.unsubscribe();
  bus.publish(`${prefix}.a.c`, bytes("4"));
  await until(side, "heard", () => heard.length >= 7);
  say("heard", heard.sort());
  bus.subscribe(`${prefix}.ask`, ({ reply, data }) =>
    bus.publish(reply, bytes(`re ${text(data)}`)),
  );
  await bus.flush();
  await note("answer", other.bus.request(`${prefix}.ask`, bytes("q"), 5_000));
  await note("nobody", other.bus.request(`${prefix}.nobody`, bytes("q"), 5_000));
  bus.subscribe(`${prefix}.silent`, () => undefined);
  await bus.flush();
  await note("silent", other.bus.request(`${prefix}.silent`, bytes("q"), 300));
  // A message that is stored is heard live as well, under the subject it was published on.
  const live: string[] = [];
  other.bus.subscribe(`${prefix}.*.agent.*.>`, ({ subject }) => live.push(subject));
  await other.bus.flush();
  await note("stored", publish(side.subjects.mailbox(company, agents[0]!, "wake"), bytes("w")));
  await until(side, "live", () => live.length > 0);
  say("live", live);
  await other.bus.close();
  other.bus.publish(`${prefix}.a.b`, bytes("closed"));
  await note("closed request", other.bus.request(`${prefix}.ask`, bytes("q"), 300));
  say("closed", other.bus.connected);
  await pause(side.clock, 100);
  say("heard", heard.length);
  return seen;
};

/** A lease lives while it is renewed; what expired is free. */
export const leases: Script = async (side) => {
  const { bucket, note, seen } = await openScene(side);
  const live = await bucket(side.names.runnerLeases);
  await note("ttl", live.ttlMs());
  await note("create", live.create("r", bytes("1")));
  await pause(side.clock, 1_600);
  await note("renew", live.update("r", bytes("2"), 1));
  await pause(side.clock, 1_600);
  await note("lives", live.get("r"));
  // 3 s after the renewal, and what the server may be late.
  await pause(side.clock, 2_500);
  await note("gone", live.get("r"));
  await note("too late", live.update("r", bytes("3"), 2));
  await note("keys", live.keys());
  await note("again", live.create("r", bytes("4")));
  return seen;
};
