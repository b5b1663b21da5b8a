// Owns the side of somebody who wakes agents over NATS with nothing but the public client and no credentials. Publishes in order per
// agent and again until JetStream has it, as any careful publisher does; hears the verdicts. Uses no code of the product.
import { randomUUID } from "node:crypto";
import { jetstream } from "@nats-io/jetstream";
import { connect, headers, type NatsConnection } from "@nats-io/transport-node";
import { until } from "./until.js";

export interface Wake {
  companyId: string;
  agentId: string;
  /** The publisher's own id. */
  id: string;
  payload: Record<string, unknown>;
}
export interface HeardVerdict {
  outcome: string;
  wakeId: string;
  reason?: string;
  run?: { id: string; status: string };
  /** `performance.now()` at arrival. */
  heardAt: number;
}

export interface WakeClient {
  /** Of the server or servers, as it was opened with. */
  readonly url: string;
  /** Resolves when JetStream has stored it; publishes again (same id) for at most 20 s. */
  wake(wake: Wake): Promise<void>;
  /** One attempt; false: not known to be stored. */
  tryWake(wake: Wake): Promise<boolean>;
  /** All of them: in order per agent, agents beside each other. */
  wakeAll(wakes: readonly Wake[]): Promise<void>;
  /** Verdicts so far, by wake id. */
  readonly verdicts: ReadonlyMap<string, HeardVerdict>;
  readonly connection: NatsConnection;
  close(): Promise<void>;
}

/** `attemptMs`: how long one publish waits for its acknowledgement before it is repeated. */
export async function openWakeClient(url: string, attemptMs = 2_000): Promise<WakeClient> {
  const connection = await connect({
    servers: url.split(","),
    maxReconnectAttempts: -1,
    reconnectTimeWait: 100,
  });
  const js = jetstream(connection, { timeout: attemptMs });
  const inbox = `_INBOX.${randomUUID()}`;
  const verdicts = new Map<string, HeardVerdict>();
  connection.subscribe(inbox, {
    callback: (error, message) => {
      if (error) return;
      const verdict = message.json<Omit<HeardVerdict, "heardAt">>();
      if (!verdicts.has(verdict.wakeId))
        verdicts.set(verdict.wakeId, { ...verdict, heardAt: performance.now() });
    },
  });
  const h = headers();
  h.set("Reveille-Reply-To", inbox);

  let refusal = "";
  const tryWake = ({ companyId, agentId, id, payload }: Wake): Promise<boolean> =>
    js
      .publish(`rv.${companyId}.agent.${agentId}.wake`, JSON.stringify({ id, payload }), {
        headers: h,
      })
      .then(
        () => true,
        (error: Error) => {
          refusal = error.message;
          return false;
        },
      );
  const wake = (one: Wake): Promise<void> =>
    until(`wake ${one.id} is stored`, () => tryWake(one), { describe: () => refusal }).then(
      () => undefined,
    );
  return {
    url,
    wake,
    tryWake,
    wakeAll: async (wakes) => {
      const chains = new Map<string, Promise<void>>();
      for (const one of wakes)
        chains.set(
          one.agentId,
          (chains.get(one.agentId) ?? Promise.resolve()).then(() => wake(one)),
        );
      await Promise.all(chains.values());
    },
    verdicts,
    connection,
    close: () => connection.close(),
  };
}
