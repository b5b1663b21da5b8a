// Owns a whole system for one test file: servers and services as `npm start` runs them, on ports and in folders of their own. Its
// database lives on the Postgres that all files share.
import { randomUUID } from "node:crypto";
import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startStack, type Stack, type StackOptions } from "@reveille/local/up";
import pg from "pg";
import { userUrl } from "./nats.js";
import { sharedPostgresUrl } from "./provided.js";

export interface WholeSystem {
  readonly stack: Stack;
  /** Base URL of the API, without `/api`. */
  readonly http: string;
  /** For clients without credentials. */
  readonly nats: string;
  /** A pool on the system's own database, to look at what is left behind. */
  readonly database: pg.Pool;
  /** Calls the API below `/api`; the answer's status and JSON, whatever it is. */
  readonly call: (
    method: string,
    path: string,
    body?: object,
  ) => Promise<{ status: number; body: Row }>;
  stop(): Promise<void>;
}
export type Row = Record<string, unknown>;

export interface WholeSystemOptions extends Partial<Omit<StackOptions, "dataDir" | "databaseUrl">> {
  /** A Postgres of the test's own, on which the system's database is made. Default: the shared one. */
  postgresUrl?: string;
  /** Where services find that database, for a link in between; whoever looks on goes straight to it. */
  databaseUrlOf?: (url: string) => string;
}

/** Starts one of each service (or as `options` say) and resolves when all are ready. */
export async function startWholeSystem({
  postgresUrl,
  databaseUrlOf = (url) => url,
  natsUrl,
  ...options
}: WholeSystemOptions = {}): Promise<WholeSystem> {
  const dataDir = mkdtempSync(join(tmpdir(), "reveille-system-"));
  chmodSync(dataDir, 0o711);
  const databaseUrl = await createDatabase(postgresUrl ?? sharedPostgresUrl());
  const stack = await startStack({
    logLevel: "warn",
    restart: false,
    ...options,
    // On a test's own server too each service is its own user, as in an installation.
    ...(natsUrl === undefined ? {} : { natsUrl }),
    ...(natsUrl?.includes("@") ? { natsUrlOf: (user: string) => userUrl(natsUrl, user) } : {}),
    // What a route answers is compared with what it declares.
    env: { ...options.env, gateway: { REVEILLE_CHECK_ANSWERS: "1", ...options.env?.gateway } },
    dataDir,
    databaseUrl: databaseUrlOf(databaseUrl),
  }).catch((error: unknown) => {
    rmSync(dataDir, { recursive: true, force: true });
    throw error;
  });
  const database = new pg.Pool({ connectionString: databaseUrl, max: 2 });
  // An idle session that a test's fault ends is opened again by the next question.
  database.on("error", () => undefined);
  const { http, nats } = stack.endpoints;
  return {
    stack,
    http,
    nats,
    database,
    call: async (method, path, body) => {
      // Tests end gateways; whoever asks goes to one that lives.
      const living = stack.service("gateway").find(({ pid }) => pid !== undefined)?.ready?.http;
      const response = await fetch(`${living ?? http}/api${path}`, {
        method,
        signal: AbortSignal.timeout(20_000),
        ...(body
          ? { headers: { "content-type": "application/json" }, body: JSON.stringify(body) }
          : {}),
      });
      return { status: response.status, body: (await response.json()) as Row };
    },
    stop: async () => {
      await database.end();
      await stack.stop();
      rmSync(dataDir, { recursive: true, force: true });
    },
  };
}

async function createDatabase(server: string): Promise<string> {
  const name = `t_${randomUUID().replaceAll("-", "")}`;
  const url = new URL(server);
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

/** A company and one agent in it that runs a Node program given as text. */
export async function createAgent(
  system: WholeSystem,
  program: string,
  settings: { companyId?: string; name?: string; runtimeConfig?: object } = {},
): Promise<{ companyId: string; agentId: string }> {
  const companyId =
    settings.companyId ??
    String((await system.call("POST", "/companies", { name: "Test" })).body["id"]);
  const created = await system.call("POST", `/companies/${companyId}/agents`, {
    name: settings.name ?? "Worker",
    adapterType: "process",
    adapterConfig: { command: process.execPath, args: ["-e", program] },
    ...(settings.runtimeConfig ? { runtimeConfig: settings.runtimeConfig } : {}),
  });
  if (created.status !== 201) throw new Error(`no agent: ${JSON.stringify(created.body)}`);
  return { companyId, agentId: String(created.body["id"]) };
}

/** Polls a run until its status is final. @throws Error that shows its last state after `timeoutMs`. */
export async function runIsOver(
  system: WholeSystem,
  runId: string,
  timeoutMs = 20_000,
): Promise<Row> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    const { body } = await system.call("GET", `/heartbeat-runs/${runId}`);
    if (["succeeded", "failed", "cancelled", "timed_out"].includes(String(body["status"])))
      return body;
    if (performance.now() > deadline)
      throw new Error(`run ${runId} is not over: ${JSON.stringify(body)}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
