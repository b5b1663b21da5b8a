/**
 * Asks the actor hosts for the secrets of an attempt that has its go. What comes back is sealed to this
 * runner's own key, which lives as long as one incarnation and never leaves memory. Values go to the
 * caller and are kept nowhere here.
 */
import { createSealKeys, open } from "@reveille/shared/credentials/seal";
import type { Bus } from "@reveille/shared/nats/bus";
import { decodeTrusted, encodePayload } from "@reveille/shared/protocol/codec";
import type { Execution } from "@reveille/shared/protocol/execution";
import { refsMax, resolvedSecretsSchema } from "@reveille/shared/protocol/secrets";
import type { NamedRef, ResolvedSecrets, SecretRef } from "@reveille/shared/protocol/secrets";
import type { Subjects } from "@reveille/shared/protocol/subjects";
import type { Clock } from "@reveille/shared/runtime/clock";
import { runFields } from "@reveille/shared/runtime/log";
import type { Logger } from "@reveille/shared/runtime/log";
import { z } from "zod";

export type Secrets =
  | { ok: true; values: string[] }
  /** For people; names the place of the reference, never a value. */
  | { ok: false; message: string };

export interface SecretSource {
  /** Goes with the claim of an attempt that will ask. */
  readonly sealKey: string;
  /** One value for each reference, in order. Tries for 20 s, or until the signal. Never rejects. */
  resolve(
    execution: Execution,
    claimId: string,
    refs: readonly NamedRef[],
    signal: AbortSignal,
  ): Promise<Secrets>;
}

/** In all: six leases of a host, so that a takeover is survived; a slot must not wait for ever. */
const patienceMs = 20_000;
/** One question: two statements on a busy database. */
const questionMs = 3_000;
const pauseFirstMs = 100;
const pauseMaxMs = 2_000;

const valuesSchema = z.array(z.string());

export function createSecretSource(
  clock: Clock,
  bus: Bus,
  subjects: Subjects,
  incarnation: string,
  logger: Logger,
): SecretSource {
  const keys = createSealKeys();

  const ask = async (question: Uint8Array): Promise<ResolvedSecrets> => {
    try {
      const { data } = await bus.request(subjects.secrets, question, questionMs);
      return resolvedSecretsSchema.parse(decodeTrusted(data));
    } catch (error) {
      return { ok: false, reason: (error as Error).message, retry: true };
    }
  };
  const opened = (sealed: string, count: number): string[] | null => {
    const text = open(keys, sealed);
    if (text === null) return null;
    const read = valuesSchema.safeParse(parsed(text));
    return read.success && read.data.length === count ? read.data : null;
  };

  return {
    sealKey: keys.publicKey,
    resolve: async (execution, claimId, refs, signal) => {
      const bad = refs.find(({ ref }) => ref === null);
      if (bad) return failed(bad, "is no valid reference to a secret");
      if (refs.length > refsMax)
        return { ok: false, message: `adapterConfig refers to more than ${refsMax} secrets` };
      const { companyId, agentId, runId, attempt } = execution;
      const wanted = refs.map(({ ref }) => bare(ref!));
      const claim = { companyId, agentId, runId, attempt, claimId, incarnation };
      const question = encodePayload({ ...claim, refs: wanted });
      const giveUpAt = clock.monotonicMs() + patienceMs;
      for (let pauseMs = pauseFirstMs; ; pauseMs = Math.min(pauseMs * 2, pauseMaxMs)) {
        const answer = await ask(question);
        if (answer.ok) {
          const values = opened(answer.sealed, refs.length);
          if (values) return { ok: true, values };
          return failed(refs[0]!, "cannot be resolved: the answer was not sealed to this runner");
        }
        const over = signal.aborted || clock.monotonicMs() + pauseMs > giveUpAt;
        if (over || !answer.retry)
          return failed(refs[answer.at ?? 0] ?? refs[0]!, `cannot be resolved: ${answer.reason}`);
        const { reason } = answer;
        logger.debug({ ...runFields(execution), reason }, "secrets are asked for again");
        await pauseUnless(signal, clock, pauseMs);
      }
    },
  };
}

const bare = ({ secretId, version }: SecretRef) => ({ secretId, version });

const failed = ({ field, name }: NamedRef, what: string): Secrets => ({
  ok: false,
  message: `adapterConfig.${field}.${name.slice(0, 80)} ${what}`,
});

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

/** Ends with the time or the signal. */
const pauseUnless = (signal: AbortSignal, clock: Clock, ms: number): Promise<void> =>
  new Promise<void>((resume) => {
    const done = (): void => {
      timer.cancel();
      signal.removeEventListener("abort", done);
      resume();
    };
    const timer = clock.after(ms, done);
    signal.addEventListener("abort", done);
  });
