// Owns the scripts of the NATS contract in which the connection suffers, not the server: lost answers, held and broken connections. The
// real one runs through a link that the test breaks, the simulated one through the simulation's.
import { pause } from "@reveille/shared/runtime/clock";
import type { WorkItem } from "@reveille/shared/nats/work-queue";
import { agents, bytes, company, openScene, runs, text } from "./nats-scene.js";
import type { Script } from "./nats-scripts.js";
import { until } from "./nats-side.js";
import type { Peer, Side } from "./nats-side.js";

const wakeOf = (side: Side): string => side.subjects.mailbox(company, agents[0]!, "wake");

function statesOf({ bus }: Peer): string[] {
  const states: string[] = [];
  bus.onState((state) => states.push(state));
  return states;
}
const isBack = (states: string[]) => (): boolean => states.at(-1) === "connected";

/** The shipped publisher sends again; a bucket's client gives up after its time, and the value is there. */
export const lostAnswers: Script = async (side) => {
  const { streams, note, say, seen } = await openScene(side);
  const far = await side.linked();
  const states = statesOf(far);
  const publisher = far.publisher({ ackTimeoutMs: 1_000 });
  far.weather.loseNextAck();
  await note("publish", publisher.publish(wakeOf(side), bytes("1")));
  await note("twice", streams.facts(side.names.mailbox));
  await until(side, "back", isBack(states));
  const once = { onlyIfSubjectEmpty: true };
  const execution = side.subjects.execution("default", company, runs[0]!, 1);
  states.length = 0;
  far.weather.loseNextAck();
  await note("publish once", publisher.publish(execution, bytes("e"), once));
  await note("once", streams.facts(side.names.exec));
  await until(side, "back", isBack(states));
  const locks = await far.bucket(side.names.issueLocks);
  const first = side.clock.monotonicMs();
  far.weather.loseNextAck();
  await note("create", locks.create("a", bytes("mine")));
  const tookMs = side.clock.monotonicMs() - first;
  say("after the client's 5 s", tookMs >= 4_900 && tookMs < 8_000);
  await note("get", locks.get("a"));
  far.weather.loseNextAck();
  await note("update", locks.update("a", bytes("mine"), 1));
  await note("get", locks.get("a"));
  await note("once more", locks.update("a", bytes("mine"), 1));
  say("states", states);
  publisher.close();
  return seen;
};

/** What is held back arrives in order; what was held when the connection broke is lost, and so is a flush. */
export const heldBack: Script = async (side) => {
  const { bus, publish, note, say, seen } = await openScene(side);
  const far = await side.linked();
  const states = statesOf(far);
  const prefix = side.subjects.prefix;
  const here: string[] = [];
  const there: string[] = [];
  bus.subscribe(`${prefix}.here`, ({ data }) => here.push(text(data)));
  far.bus.subscribe(`${prefix}.there`, ({ data }) => there.push(text(data)));
  await Promise.all([bus.flush(), far.bus.flush()]);
  const both = (word: string): void => {
    far.bus.publish(`${prefix}.here`, bytes(word));
    bus.publish(`${prefix}.there`, bytes(word));
  };
  both("before");
  await until(side, "before", () => here.length + there.length === 2);
  far.weather.hold("both");
  both("held 1");
  await pause(side.clock, 300);
  both("held 2");
  await pause(side.clock, 300);
  say("nothing passed", here.length + there.length);
  far.weather.heal();
  await until(side, "healed", () => here.length + there.length === 6);
  say("heard", [here, there, states]);
  far.weather.hold("both");
  both("lost");
  const flushed = note("flush", far.bus.flush());
  await pause(side.clock, 300);
  far.weather.cut();
  await flushed;
  await until(side, "back", isBack(states));
  await far.bus.flush();
  both("after");
  await until(side, "after", () => here.length + there.length === 8);
  say("heard", [here, there, states]);
  await note("publish", publish(wakeOf(side), bytes("w")));
  return seen;
};

/** The consumer is still there: what came meanwhile is read, nothing twice, nothing left out. */
export const readerOverCuts: Script = async (side) => {
  const { publish, say, seen } = await openScene(side);
  const far = await side.linked();
  const states = statesOf(far);
  const seqs: number[] = [];
  const ends: string[] = [];
  await far.streams.read({
    stream: side.names.mailbox,
    filter: "*.*.>",
    startSeq: 1,
    take: ({ seq }) => void seqs.push(seq),
    onEnd: (reason) => void ends.push(reason),
  });
  const more = async (count: number): Promise<void> => {
    for (let n = 0; n < count; n += 1) await publish(wakeOf(side), bytes("w"));
  };
  await more(3);
  await until(side, "read", () => seqs.length === 3);
  far.weather.cut();
  // Before that, the server may send into the broken connection, or may not.
  await until(side, "back", isBack(states));
  await more(3);
  await until(side, "read", () => seqs.length === 6);
  far.weather.hold("both");
  await more(3);
  await pause(side.clock, 500);
  far.weather.heal();
  await until(side, "read", () => seqs.length === 9);
  // What the server had sent into a connection that breaks then is lost: the numbers of deliveries tell.
  far.weather.hold("to-client");
  await more(3);
  await pause(side.clock, 300);
  far.weather.cut();
  await until(side, "back", () => states.length === 4);
  await more(1);
  await until(side, "ended", () => ends.length === 1);
  say("read", [seqs, ends, states]);
  return seen;
};

/** What was delivered into a connection that broke is delivered again after `ack_wait`, to whoever pulls. */
export const workOverCuts: Script = async (side) => {
  const { publish, streams, note, say, seen } = await openScene(side);
  const far = await side.linked();
  const states = statesOf(far);
  const items: WorkItem[] = [];
  const queue = far.openQueue({
    stream: side.names.exec,
    consumer: side.names.poolConsumer("default"),
    take: (item) => void items.push(item),
    onMissing: () => say("missing", true),
  });
  queue.want(2);
  await pause(side.clock, 300);
  far.weather.hold("to-client");
  await publish(side.subjects.execution("default", company, runs[0]!, 1), bytes("e"));
  await pause(side.clock, 300);
  say("nothing came", items.length);
  far.weather.cut();
  await until(side, "delivered again", () => items.length === 1);
  say("again", [items[0]!.deliveryCount, states]);
  items[0]!.ack();
  await pause(side.clock, 300);
  await note("left", streams.facts(side.names.exec));
  await queue.stop();
  return seen;
};
