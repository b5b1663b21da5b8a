/**
 * Who asked whom: the agents that wait for a run's answer, the first one in front. It travels in the context
 * of the runs (`ask`), which gateways alone write, so nobody can leave himself out. Pure.
 */
import { z } from "zod";

/**
 * Agents in a chain before the last one. Four: a lead, a specialist, a helper, and a check; longer chains are
 * mostly agents that pass a question on, and each of them costs a run.
 */
export const askDepthMax = 4;

const askSchema = z.object({
  /** The run that asks; its agent is the last one of the chain. */
  runId: z.string(),
  agentId: z.string(),
  agentName: z.string(),
  message: z.string(),
  /** The issue that it is about: to be read, not to be worked on. */
  issueId: z.string().nullable(),
  chain: z.array(z.string()),
});
/** Under `ask` in the context of the run that is to answer. */
export type Ask = z.infer<typeof askSchema>;

/** Who waits for this run, by its context; nobody when it was not asked. */
export function waitingFor(context: unknown): string[] {
  const read = askSchema.safeParse((context as { ask?: unknown } | null)?.ask);
  return read.success ? read.data.chain : [];
}

export type AskRefusal = { code: "ask_cycle" | "ask_too_deep"; message: string };

/** Why an agent may not ask another one from a run that `waiting` agents wait for; null: it may. */
export function askFault(
  waiting: readonly string[],
  asker: { id: string; name: string },
  asked: { id: string; name: string },
): AskRefusal | null {
  if (asked.id === asker.id)
    return { code: "ask_cycle", message: `${asker.name} cannot ask itself: do it in this run` };
  if (waiting.includes(asked.id))
    return {
      code: "ask_cycle",
      message: `${asked.name} waits for the answer of this run, so it cannot be asked: answer it with what is known`,
    };
  if (waiting.length >= askDepthMax)
    return {
      code: "ask_too_deep",
      message: `${waiting.length} agents wait for this run already, and no more than ${askDepthMax} may: answer with what is known`,
    };
  return null;
}
