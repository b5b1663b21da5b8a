/**
 * A wake on NATS, as anybody may publish it: one message to the agent's subject, with a header that
 * says where the verdict goes. Everything it uses is described in docs/nats.md.
 */
import type { NatsBus } from "@reveille/shared/nats/bus";
import { StoredPublisher } from "@reveille/shared/nats/stored-publisher";
import { headers } from "@reveille/shared/protocol/headers";
import { newId } from "@reveille/shared/protocol/ids";
import type { Subjects } from "@reveille/shared/protocol/subjects";
import type { PublicWake, Verdict, WakeOutcome } from "@reveille/shared/protocol/wake";
import { refused, unreachable } from "./failure.js";

export interface WakeTarget {
  companyId: string;
  agentId: string;
}
/**
 * A verdict, or `accepted`: JetStream has the wake, and no verdict came in time; it will be decided. Over
 * HTTP the wake's id is known only where the API tells it.
 */
export type WakeAnswer = Omit<Verdict, "outcome" | "wakeId"> & {
  outcome: WakeOutcome | "accepted";
  wakeId?: string;
};

/** 10 s: a verdict takes milliseconds; a takeover by another host after a crash, some seconds. */
const verdictTimeoutMs = 10_000;

/**
 * Publishes and waits for the verdict, bounded.
 * @throws CliFailure `refused` when JetStream does not take it, `unreachable` when nothing answers.
 */
export async function publishWake(
  bus: NatsBus,
  subjects: Subjects,
  target: WakeTarget,
  wake: PublicWake,
): Promise<WakeAnswer> {
  const wakeId = wake.id ?? newId();
  // Below the company's inbox: the only place where an actor answers a company's own credentials.
  const replyTo = `_INBOX.${target.companyId}.${newId()}`;
  const verdict = awaitVerdict(bus, replyTo, wakeId);
  const publisher = new StoredPublisher(bus, { attemptsMax: 2 });
  try {
    await publisher.publish(
      subjects.mailbox(target.companyId, target.agentId, "wake"),
      Buffer.from(JSON.stringify({ ...wake, id: wakeId })),
      { headers: { [headers.replyTo]: replyTo } },
    );
    return await verdict.answer;
  } catch (error) {
    const failed = error as { code?: string; message: string };
    if (failed.code === "BrokerRefused") throw refused(`JetStream refused: ${failed.message}`);
    throw unreachable(failed.message, "`reveille doctor` says what is wrong.", error);
  } finally {
    verdict.stop();
    publisher.close();
  }
}

function awaitVerdict(
  bus: NatsBus,
  replyTo: string,
  wakeId: string,
): { answer: Promise<WakeAnswer>; stop: () => void } {
  let settle: (answer: WakeAnswer) => void = () => undefined;
  const answer = new Promise<WakeAnswer>((resolve) => (settle = resolve));
  const subscription = bus.subscribe(replyTo, (message) =>
    settle(JSON.parse(Buffer.from(message.data).toString()) as Verdict),
  );
  const timer = setTimeout(() => settle({ outcome: "accepted", wakeId }), verdictTimeoutMs);
  return {
    answer,
    stop: () => {
      clearTimeout(timer);
      subscription.unsubscribe();
    },
  };
}
