// Owns how a soak asks the system: wakes over NATS with nothing but the public client and no credentials, everything else over HTTP at any
// gateway that lives. Writes each question and its answer into the history. Uses no code of the product for the asking.
import { randomUUID } from "node:crypto";
import { setTimeout as pause } from "node:timers/promises";
import { jetstream } from "@nats-io/jetstream";
import { connect, headers } from "@nats-io/transport-node";
import type { Answer, Asked, HistoryWriter } from "./history-writer.js";
import type { SoakAgent } from "./population.js";

export interface SentWake {
  agentId: string;
  wakeId: string;
  /** Ms since 1970, when it was first sent. */
  sentAt: number;
}
export interface Reply {
  status: number;
  body: Record<string, unknown>;
}
export interface Askers {
  /** Over NATS. With an id it is published again until it is stored, 30 s at most; without one it goes out once. */
  publish(
    agent: SoakAgent,
    wake: { payload: object; id?: string; idempotencyKey?: string },
  ): Promise<void>;
  /** Over HTTP. `mark` stands in the payload: the answer does not always name the wake. */
  wake(
    agent: SoakAgent,
    wake: { payload: object; mark: string; idempotencyKey?: string },
  ): Promise<void>;
  /** Any other operation; `told` reads what its answer adds to the history, undefined: it did not say that it is done. */
  operate(
    asked: Asked,
    question: { method: string; path: string; body: object },
    told?: (reply: Reply) => Answer | undefined,
  ): Promise<void>;
  /** A question that is no part of the history. @throws Error when no gateway answers it with a status below 300. */
  ask(method: string, path: string, body?: object): Promise<Record<string, unknown>>;
  /** Wakes that had an id when they were sent. */
  readonly sent: readonly SentWake[];
  /** Marks of HTTP wakes without a key that were answered yes, with what was answered. */
  readonly marked: ReadonlyMap<string, Asked & Answer>;
  close(): Promise<void>;
}

/** One publish waits so long for its acknowledgement. */
const attemptMs = 2_000;
const againMs = 250;
/** Beyond the longest fault of a soak. */
const publishMs = 30_000;
/** A cancel is answered when the tree is dead, 30 s at most. */
const answerMs = 35_000;

interface Verdict {
  outcome: string;
  wakeId: string;
  run?: { id: string };
}

export async function openAskers(
  natsUrl: string,
  gateway: () => string | undefined,
  history: HistoryWriter,
): Promise<Askers> {
  const connection = await connect({
    servers: natsUrl,
    maxReconnectAttempts: -1,
    reconnectTimeWait: 100,
  });
  const js = jetstream(connection, { timeout: attemptMs });
  const sent: SentWake[] = [];
  const marked = new Map<string, Asked & Answer>();
  const inbox = `_INBOX.${randomUUID()}`;
  /** By the token of their reply subject. */
  const waiting = new Map<string, Asked>();
  connection.subscribe(`${inbox}.*`, {
    callback: (error, message) => {
      const token = message.subject.slice(inbox.length + 1);
      const asked = waiting.get(token);
      if (error || !asked) return;
      waiting.delete(token);
      const { outcome, wakeId, run } = message.json<Verdict>();
      const told = { wakeId, outcome, ...(run ? { runId: run.id } : {}) };
      if (outcome === "rejected") history.fail(asked, told);
      else history.ok(asked, told);
    },
  });

  const send = async (method: string, path: string, body?: object): Promise<Reply> => {
    const base = gateway();
    if (!base) throw new Error("no gateway lives");
    const response = await fetch(`${base}/api${path}`, {
      method,
      signal: AbortSignal.timeout(answerMs),
      ...(body
        ? { headers: { "content-type": "application/json" }, body: JSON.stringify(body) }
        : {}),
    });
    return { status: response.status, body: (await response.json()) as Reply["body"] };
  };

  return {
    sent,
    marked,
    publish: async (agent, { payload, id, idempotencyKey }) => {
      const { companyId, agentId } = agent;
      const token = randomUUID();
      const asked: Asked = {
        op: "wake",
        id: token,
        companyId,
        agentId,
        ...(id ? { wakeId: id } : {}),
        ...(idempotencyKey ? { idempotencyKey } : {}),
      };
      const h = headers();
      h.set("Reveille-Reply-To", `${inbox}.${token}`);
      const text = JSON.stringify({
        payload,
        ...(id ? { id } : {}),
        ...(idempotencyKey ? { idempotencyKey } : {}),
      });
      history.invoke(asked);
      waiting.set(token, asked);
      const sentAt = Date.now();
      if (id) sent.push({ agentId, wakeId: id, sentAt });
      for (;;) {
        const stored = await js
          .publish(`rv.${companyId}.agent.${agentId}.wake`, text, { headers: h })
          .then(() => true)
          .catch(() => false);
        // The verdict may have been quicker than the acknowledgement: it says more.
        if (stored && waiting.has(token)) history.ok(asked, { outcome: "accepted" });
        if (stored || !waiting.has(token)) return;
        if (!id || Date.now() - sentAt > publishMs) return history.info(asked);
        await pause(againMs);
      }
    },
    wake: async ({ companyId, agentId }, { payload, mark, idempotencyKey }) => {
      const asked: Asked = {
        op: "wake",
        id: mark,
        companyId,
        agentId,
        ...(idempotencyKey ? { idempotencyKey } : {}),
      };
      history.invoke(asked);
      const body = { payload: { ...payload, mark }, ...(idempotencyKey ? { idempotencyKey } : {}) };
      const reply = await send("POST", `/agents/${agentId}/wakeup`, body).catch(() => undefined);
      if (!reply || reply.status >= 500) return history.info(asked);
      if (reply.status >= 300) return history.fail(asked, { status: reply.status });
      const { wakeId, status, outcome, id } = reply.body;
      const said = status === "accepted" ? status : outcome;
      const told: Answer = {
        status: reply.status,
        ...(typeof said === "string" ? { outcome: said } : {}),
        ...(typeof wakeId === "string" ? { wakeId } : {}),
        ...(typeof id === "string" ? { runId: id } : {}),
      };
      history.ok(asked, told);
      if (!told.wakeId && !idempotencyKey) marked.set(mark, { ...asked, ...told });
    },
    operate: async (asked, { method, path, body }, told = () => ({})) => {
      history.invoke(asked);
      const reply = await send(method, path, body).catch(() => undefined);
      if (!reply || reply.status >= 500) return history.info(asked);
      const answer = { status: reply.status };
      if (reply.status >= 300) return history.fail(asked, answer);
      const more = told(reply);
      if (more) history.ok(asked, { ...answer, ...more });
      else history.info(asked);
    },
    ask: async (method, path, body) => {
      const reply = await send(method, path, body);
      if (reply.status >= 300)
        throw new Error(`${method} ${path}: ${reply.status} ${JSON.stringify(reply.body)}`);
      return reply.body;
    },
    close: () => connection.close(),
  };
}
