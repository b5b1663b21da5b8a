// Owns what the tests of Paperclip's routes share: a whole system whose gateway checks its own answers, and callers with keys.
import { randomBytes } from "node:crypto";
import { startWholeSystem } from "../harness/whole-system.js";
import type { Row, WholeSystem } from "../harness/whole-system.js";

export type { Row } from "../harness/whole-system.js";
export interface Reply {
  status: number;
  body: Row;
}
export interface CompanyRig {
  readonly system: WholeSystem;
  /** Calls below `/api`, with a credential when one is given. */
  call(method: string, path: string, body?: object, token?: string): Promise<Reply>;
  /** Calls and expects a status. @throws Error with the answer when it is another one. */
  ok(status: number, method: string, path: string, body?: object, token?: string): Promise<Row>;
  company(settings?: object): Promise<string>;
  /** An agent that runs a Node program; without one it ends at once. */
  agent(companyId: string, settings?: Row & { program?: string }): Promise<string>;
  key(agentId: string): Promise<string>;
  /** Polls a question until it has an answer. @throws Error naming what did not happen. */
  until<T>(what: string, ask: () => Promise<T | null | undefined | false>): Promise<T>;
  rows(sql: string, values?: unknown[]): Promise<Row[]>;
  stop(): Promise<void>;
}

/** Longer than any grace of the processes that these tests start. */
const patienceMs = 20_000;

export async function startCompanyRig(env: NodeJS.ProcessEnv = {}): Promise<CompanyRig> {
  const keys = { REVEILLE_SECRETS_MASTER_KEY: randomBytes(32).toString("hex") };
  const system = await startWholeSystem({
    env: {
      gateway: { REVEILLE_CHECK_ANSWERS: "1", ...keys, ...env },
      "agent-actor": keys,
    },
  });
  const call: CompanyRig["call"] = async (method, path, body, token) => {
    const response = await fetch(`${system.http}/api${path}`, {
      method,
      signal: AbortSignal.timeout(45_000),
      headers: {
        ...(body ? { "content-type": "application/json" } : {}),
        ...(token ? { authorization: `Bearer ${token}` } : {}),
      },
      ...(body ? { body: JSON.stringify(body) } : {}),
    });
    return { status: response.status, body: (await response.json()) as Row };
  };
  const ok: CompanyRig["ok"] = async (status, ...request) => {
    const answer = await call(...request);
    if (answer.status !== status)
      throw new Error(
        `${request[0]} ${request[1]}: ${answer.status}, not ${status}: ${JSON.stringify(answer.body)}`,
      );
    return answer.body;
  };
  return {
    system,
    call,
    ok,
    company: async (settings = {}) =>
      String((await ok(201, "POST", "/companies", { name: "Test", ...settings }))["id"]),
    agent: async (companyId, { program, ...settings } = {}) => {
      const adapterConfig = program
        ? { command: process.execPath, args: ["-e", program] }
        : { command: "/bin/true" };
      const body = { name: "Worker", adapterConfig, ...settings };
      return String((await ok(201, "POST", `/companies/${companyId}/agents`, body))["id"]);
    },
    key: async (agentId) =>
      String((await ok(201, "POST", `/agents/${agentId}/keys`, { name: "k" }))["token"]),
    until: async (what, ask) => {
      const deadline = performance.now() + patienceMs;
      for (;;) {
        const answer = await ask();
        if (answer !== null && answer !== undefined && answer !== false) return answer;
        if (performance.now() > deadline) throw new Error(`did not happen in time: ${what}`);
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    },
    rows: async (sql, values = []) => (await system.database.query<Row>(sql, values)).rows,
    stop: () => system.stop(),
  };
}
