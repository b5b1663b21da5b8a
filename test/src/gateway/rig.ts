// Owns what the gateway's tests share: a real nats-server with the real topology, a database of their own, gateway processes, and an
// actor that only answers. Knows no decision: what the real actor makes of a wake is tested elsewhere.
import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { randomUUID } from "node:crypto";
import { fileURLToPath } from "node:url";
import pg from "pg";
import { connectBus } from "@reveille/shared/nats/bus";
import type { NatsBus } from "@reveille/shared/nats/bus";
import { openPartitionReader } from "@reveille/shared/nats/partition-reader";
import type { PartitionReader, StoredMessage } from "@reveille/shared/nats/partition-reader";
import { ensureTopology } from "@reveille/shared/nats/topology-keeper";
import { migrate } from "@reveille/shared/postgres/migrate";
import { decodePayload, encodePayload } from "@reveille/shared/protocol/codec";
import { headers } from "@reveille/shared/protocol/headers";
import { createSubjects, parseStored } from "@reveille/shared/protocol/subjects";
import { defaultSizes } from "@reveille/shared/protocol/topology";
import type { Verdict } from "@reveille/shared/protocol/wake";
import { startTestNats } from "../harness/nats.js";
import type { TestNats } from "../harness/nats.js";
import { sharedPostgresUrl } from "../harness/provided.js";

const main = fileURLToPath(new URL("../../../services/gateway/dist/main.js", import.meta.url));
export const subjects = createSubjects();
const partitions = 4;

/** One message that reached a mailbox. */
export interface Heard {
  kind: string;
  companyId: string;
  agentId: string;
  body: Record<string, unknown>;
}
export interface FakeActor {
  readonly heard: Heard[];
  /** What it makes of a message; null: nothing. By default: queued, with a run. */
  verdict: (heard: Heard) => Omit<Verdict, "wakeId"> | null;
  /** Where verdicts go: to the reply subject, into the table, or both (as the real one does). */
  tell: { reply: boolean; table: boolean };
}
export interface Answer {
  status: number;
  body: unknown;
  headers: Headers;
}
export interface GatewayProcess {
  readonly child: ChildProcess;
  readonly http: string;
  readonly exited: Promise<unknown>;
  call(
    method: string,
    path: string,
    body?: unknown,
    init?: { headers?: Record<string, string> },
  ): Promise<Answer>;
}
export interface GatewayRig {
  readonly nats: TestNats;
  readonly bus: NatsBus;
  readonly database: pg.Pool;
  readonly actor: FakeActor;
  /** With more environment than the usual one, if given. */
  gateway(env?: Record<string, string>): Promise<GatewayProcess>;
  stop(): Promise<void>;
}
export type Row = Record<string, unknown>;

/** Polls until there is an answer. @throws Error that names what did not happen. */
export async function eventually<T>(
  what: string,
  ask: () => T | undefined | false | Promise<T | undefined | false>,
  timeoutMs = 15_000,
): Promise<T> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    const answer = await ask();
    if (answer !== undefined && answer !== false) return answer;
    if (performance.now() > deadline)
      throw new Error(`did not happen within ${timeoutMs} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

export async function startGatewayRig(): Promise<GatewayRig> {
  const [nats, databaseUrl] = await Promise.all([startTestNats(), createDatabase()]);
  await migrate(databaseUrl, { partitionCount: partitions });
  const database = new pg.Pool({ connectionString: databaseUrl, max: 4 });
  const bus = await connectBus({ url: nats.serviceUrl, name: "rig", inboxPrefix: "_INBOX_rig" });
  await ensureTopology(bus, subjects, 1, partitions, defaultSizes);
  const { actor, stop: stopActor } = await fakeActor(bus, database);
  const children: ChildProcess[] = [];
  return {
    nats,
    bus,
    database,
    actor,
    gateway: async (env = {}) => {
      const servers = { NATS_URL: nats.urlOf("gateway"), DATABASE_URL: databaseUrl };
      const gateway = await startGatewayProcess({ ...servers, ...env });
      children.push(gateway.child);
      return gateway;
    },
    stop: async () => {
      for (const child of children)
        if (child.exitCode === null && child.signalCode === null) child.kill("SIGKILL");
      await stopActor();
      await bus.close();
      await database.end();
      await nats.stop();
    },
  };
}

async function createDatabase(): Promise<string> {
  const name = `t_${randomUUID().replaceAll("-", "")}`;
  const url = new URL(sharedPostgresUrl());
  const client = new pg.Client({ connectionString: url.href });
  await client.connect();
  try {
    await client.query(`create database ${name}`);
  } finally {
    await client.end();
  }
  url.pathname = `/${name}`;
  return url.href;
}

async function startGatewayProcess(env: Record<string, string>): Promise<GatewayProcess> {
  const child = spawn(process.execPath, [main], {
    env: {
      PATH: process.env["PATH"],
      REVEILLE_HTTP_PORT: "0",
      REVEILLE_LOG_LEVEL: "warn",
      // What a route answers is compared with what it declares: a difference is a 500, and a failed test.
      REVEILLE_CHECK_ANSWERS: "1",
      ...env,
    },
    stdio: ["ignore", "pipe", "pipe", "ipc"],
  });
  const output: string[] = [];
  for (const pipe of [child.stdout, child.stderr])
    pipe?.setEncoding("utf8").on("data", (text: string) => output.push(text));
  const exited = new Promise((resolve) => {
    child.once("exit", (code, signal) => resolve(signal ?? code));
  });
  const http = await Promise.race([
    new Promise<string>((resolve) => {
      child.once("message", (message) => resolve((message as { http: string }).http));
    }),
    exited.then((code) => {
      throw new Error(`the gateway ended with ${String(code)}:\n${output.join("")}`);
    }),
  ]);
  return { child, http, exited, call: (...call) => request(http, ...call) };
}

async function request(
  http: string,
  method: string,
  path: string,
  body?: unknown,
  init: { headers?: Record<string, string> } = {},
): Promise<Answer> {
  const raw = typeof body === "string" || body instanceof Uint8Array;
  const response = await fetch(`${http}${path}`, {
    method,
    signal: AbortSignal.timeout(45_000),
    ...(body === undefined
      ? init.headers
        ? { headers: init.headers }
        : {}
      : {
          headers: { "content-type": "application/json", ...init.headers },
          body: raw ? (body as string) : JSON.stringify(body),
        }),
  });
  const text = await response.text();
  return { status: response.status, headers: response.headers, body: parsed(text) };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

/** What a verdict repeats of a new run's row, as far as a column must have a value. */
const queuedRun = ({ companyId, agentId }: Heard): Row => {
  const now = new Date().toISOString();
  return {
    id: randomUUID(),
    companyId,
    agentId,
    status: "queued",
    invocationSource: "on_demand",
    createdAt: now,
    updatedAt: now,
  };
};

/** Reads every mailbox, keeps what it heard, and answers wakes. */
async function fakeActor(bus: NatsBus, database: pg.Pool) {
  const actor: FakeActor = {
    heard: [],
    verdict: (heard) => ({ outcome: "queued", run: queuedRun(heard) }),
    tell: { reply: true, table: true },
  };
  let last = 0;
  let stopped = false;
  const hear = async (message: StoredMessage): Promise<void> => {
    last = message.seq;
    const address = parseStored(message.subject);
    const decoded = decodePayload(message.data);
    if (!address || !decoded.ok) return;
    const heard = { ...address, body: decoded.value };
    actor.heard.push(heard);
    if (heard.kind !== "request") return;
    const wakeId = String(heard.body["id"]);
    const made = actor.verdict(heard);
    if (!made) return;
    const verdict = { ...made, wakeId };
    if (actor.tell.table)
      await database.query(
        `insert into wake_verdicts (agent_id, wake_id, company_id, verdict) values ($1, $2, $3, $4)
         on conflict do nothing`,
        [heard.agentId, wakeId, heard.companyId, JSON.stringify(verdict)],
      );
    const reply = message.header(headers.replyTo);
    if (actor.tell.reply && reply) bus.publish(reply, encodePayload(verdict));
  };
  /** Reads on after a killed server: its consumers were in memory. */
  const read = (): Promise<PartitionReader> =>
    eventually(
      "the mailbox can be read",
      () =>
        openPartitionReader(bus, {
          stream: "MAILBOX",
          filter: ">",
          startSeq: last + 1,
          take: hear,
          onEnd: () => {
            if (!stopped) reader = read();
          },
        }).catch(() => undefined),
      30_000,
    );
  let reader = read();
  await reader;
  const stop = async (): Promise<void> => {
    stopped = true;
    await (await reader).stop();
  };
  return { actor, stop };
}

/** A company with one agent. */
export async function createAgent(
  gateway: GatewayProcess,
  more: Record<string, unknown> = {},
): Promise<{ companyId: string; agentId: string }> {
  const company = await gateway.call("POST", "/api/companies", { name: "Test" });
  const companyId = String((company.body as Row)["id"]);
  const agent = await gateway.call("POST", `/api/companies/${companyId}/agents`, {
    name: "Worker",
    adapterConfig: { command: "/bin/true" },
    ...more,
  });
  if (agent.status !== 201) throw new Error(`no agent: ${JSON.stringify(agent.body)}`);
  return { companyId, agentId: String((agent.body as Row)["id"]) };
}
