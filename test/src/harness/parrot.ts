// Owns saying again what services and clients have said to each other over NATS: at once or much later, once or often, in another order,
// with and without what the server could know a copy by. Judges nothing.
import { headers as createHeaders, type Msg, type MsgHdrs } from "@nats-io/transport-node";
import type { NatsBus } from "@reveille/shared/nats/bus";

export interface Parrot {
  /** How many different messages it has heard. */
  readonly heard: number;
  /** Of them, how many of a kind: the last token of a subject, or `execution`, `answer`, `log`. */
  kinds(): Record<string, number>;
  readonly said: number;
  /** From now on many messages come again soon, behind others that were sent after them. */
  repeatSoon(): void;
  stopRepeating(): void;
  /** All that was heard, `copies` times each, in a random order. Resolves when the server has them. */
  repeatAll(copies: number): Promise<void>;
  stop(): Promise<void>;
}

/** Everything that a mailbox, a runner, the work queue or a log takes in; commands of people are not said twice by a network. */
const subjects = [
  "rv.*.agent.*.wake",
  "rv.*.agent.*.request",
  "rv.*.agent.*.timer",
  "rv.*.agent.*.grant",
  "rv.*.agent.*.expired",
  "rv.*.agent.*.run.*",
  "rv.exec.pool.>",
  "rv.runner.*.answer",
  "rv.*.run.*.log.*",
];
/** On every copy, so that it is not taken for something new. */
const mark = "Test-Said-Again";
/** What the server refuses copies by: half of the copies go without. */
const knownBy = ["Nats-Msg-Id", "Nats-Expected-Last-Subject-Sequence"];
/** A copy comes this much later at most: behind the next steps of the run that it is about. */
const soonMs = 300;

interface Heard {
  subject: string;
  data: Uint8Array;
  headers: MsgHdrs | undefined;
}

export function openParrot(bus: NatsBus, below: (n: number) => number): Parrot {
  const { connection } = bus;
  const all: Heard[] = [];
  const later = new Set<NodeJS.Timeout>();
  let soon = false;
  let said = 0;
  const say = ({ subject, data, headers }: Heard, bare: boolean): void => {
    const copy = createHeaders();
    for (const key of headers?.keys() ?? [])
      if (!bare || !knownBy.includes(key)) copy.set(key, headers!.get(key));
    copy.set(mark, "1");
    connection.publish(subject, data, { headers: copy });
    said += 1;
  };
  const hear = (error: Error | null, { subject, data, headers }: Msg): void => {
    if (error || headers?.has(mark)) return;
    const heard = { subject, data: Uint8Array.from(data), headers };
    all.push(heard);
    if (!soon) return;
    for (let copies = below(3); copies > 0; copies -= 1) {
      const timer = setTimeout(() => {
        later.delete(timer);
        say(heard, copies === 1);
      }, below(soonMs));
      later.add(timer);
    }
  };
  const subscriptions = subjects.map((subject) =>
    connection.subscribe(subject, { callback: hear }),
  );
  return {
    get heard() {
      return all.length;
    },
    get said() {
      return said;
    },
    kinds: () => {
      const counts: Record<string, number> = {};
      for (const { subject } of all) {
        const kind = kindOf(subject);
        counts[kind] = (counts[kind] ?? 0) + 1;
      }
      return counts;
    },
    repeatSoon: () => {
      soon = true;
    },
    stopRepeating: () => {
      soon = false;
      for (const timer of later) clearTimeout(timer);
      later.clear();
    },
    repeatAll: async (copies) => {
      const again = all.flatMap((heard) =>
        Array.from({ length: copies }, (_, n) => ({ heard, bare: n % 2 === 0 })),
      );
      for (let at = again.length - 1; at > 0; at -= 1) {
        const other = below(at + 1);
        [again[at], again[other]] = [again[other]!, again[at]!];
      }
      for (const { heard, bare } of again) say(heard, bare);
      await connection.flush();
    },
    stop: async () => {
      for (const timer of later) clearTimeout(timer);
      for (const subscription of subscriptions) subscription.unsubscribe();
      await connection.flush();
    },
  };
}

function kindOf(subject: string): string {
  const tokens = subject.split(".");
  if (tokens[1] === "exec") return "execution";
  if (tokens[1] === "runner") return "answer";
  return tokens[4] === "log" ? "log" : tokens.slice(4).join(".");
}
