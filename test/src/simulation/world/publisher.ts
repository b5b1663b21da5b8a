// Owns those who publish to agents, programs and gateways alike: each message again until JetStream has it, as a careful client does, and
// what was asked and accepted, for the judgement at the end.
import { StoredPublisher } from "@reveille/shared/nats/stored-publisher";
import type { BusMessage } from "@reveille/shared/nats/bus";
import type { Verdict } from "@reveille/shared/protocol/wake";
import { headers } from "@reveille/shared/protocol/headers";
import { SimProcess } from "../machine/process.js";
import type { SimConnection } from "../nats/sim-nats.js";
import type { Ground } from "./ground.js";
import type { Publication } from "./publications.js";

/** What was published, and how far it came. */
export interface Sent extends Publication {
  sentAtMs: number;
  /** When JetStream said that it has it, and where; null: it never did. */
  accepted: { atMs: number; seq: number } | null;
  /** Times at which it may have been stored: of each try. */
  tries: number;
  verdict: Verdict | null;
}

/** Between tries of a message that JetStream refused. */
const againMs = 700;

export class Publisher {
  readonly sent: Sent[] = [];
  readonly process: SimProcess;
  readonly #ground: Ground;
  readonly #connection: SimConnection;
  readonly #stored: StoredPublisher;
  readonly #inbox: string;
  /** Of what is published so much is published twice, 0 to 1. */
  twice = 0;

  constructor(ground: Ground, place: number) {
    this.#ground = ground;
    this.process = new SimProcess(ground.loop, `publisher-${place}`);
    this.#connection = ground.nats.connect(this.process);
    const { bus } = this.#connection;
    this.#stored = new StoredPublisher(bus, { clock: this.process.clock, ackTimeoutMs: 1_500 });
    this.#inbox = bus.createInbox();
    bus.subscribe(`${this.#inbox}.*`, (message) => this.#heard(message));
  }

  /** Nothing is on its way. */
  get idle(): boolean {
    return this.sent.every(({ accepted }) => accepted !== null);
  }

  publish(publication: Publication): void {
    const { trace, loop, random } = this.#ground;
    const sentAtMs = loop.nowMs;
    const sent: Sent = { ...publication, sentAtMs, accepted: null, tries: 0, verdict: null };
    const place = this.sent.push(sent) - 1;
    trace.note(
      loop.nowMs,
      this.process.name,
      "publishes",
      `${place} ${sent.subject} ${text(sent)}`,
    );
    void this.#untilStored(sent, place);
    if (random.chance(this.twice))
      this.process.later(random.below(400), () => void this.#once(sent, place));
  }

  async #untilStored(sent: Sent, place: number): Promise<void> {
    while (!(await this.#once(sent, place)))
      await new Promise<void>((resume) => void this.process.later(againMs, resume));
  }

  /** False when it is not known to be stored. */
  async #once(sent: Sent, place: number): Promise<boolean> {
    const { loop, trace } = this.#ground;
    sent.tries += 1;
    try {
      const options = sent.wake
        ? { headers: { [headers.replyTo]: `${this.#inbox}.${place}` } }
        : {};
      const ack = await this.#stored.publish(sent.subject, sent.data, options);
      sent.accepted ??= { atMs: loop.nowMs, seq: ack?.seq ?? 0 };
      trace.note(loop.nowMs, this.process.name, "accepted", `${place} at ${ack?.seq}`);
      return true;
    } catch (error) {
      trace.note(
        loop.nowMs,
        this.process.name,
        "not accepted",
        `${place} ${(error as Error).message}`,
      );
      return false;
    }
  }

  #heard(message: BusMessage): void {
    const sent = this.sent[Number(message.subject.slice(this.#inbox.length + 1))];
    if (!sent) return;
    const verdict = JSON.parse(Buffer.from(message.data).toString()) as Verdict;
    sent.verdict ??= verdict;
    if (verdict.outcome === "rejected" && verdict.reason === "invalid") return;
    const { store, findings } = this.#ground;
    const kept = store.tables.wake_verdicts.get(sent.agentId, verdict.wakeId);
    // A verdict is told after it is committed, and never another one than that.
    findings.hold(
      kept !== undefined || store.tables.agents.get(sent.agentId)?.deleted_at !== null,
      "I3",
      () => `a verdict is told that is not kept: ${sent.subject} ${JSON.stringify(verdict)}`,
    );
  }
}

const text = ({ data }: Sent): string => Buffer.from(data).toString().slice(0, 300);
