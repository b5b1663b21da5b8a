// A new version beside the old one: what services do with a database that is older or newer than they are, and with a protocol that
// they do not read. Refusals are clean: an error that says what to do, and nothing written.
import { randomUUID } from "node:crypto";
import { startAgentActor } from "@reveille/agent-actor/agent-actor";
import { readActorConfig } from "@reveille/agent-actor/config";
import { readGatewayConfig } from "@reveille/gateway/config";
import { startGateway } from "@reveille/gateway/gateway";
import { migrate } from "@reveille/shared/postgres/migrate";
import { createLogger } from "@reveille/shared/runtime/log";
import pg from "pg";
import { beforeAll, expect, onTestFinished, test } from "vitest";
import { startTestNats, type TestNats } from "./harness/nats.js";
import { sharedPostgresUrl } from "./harness/provided.js";

let nats: TestNats;
beforeAll(async () => {
  nats = await startTestNats();
  return () => nats.stop();
});

/** A database at this version's schema, and what changes it. */
async function database(): Promise<{ url: string; change: (sql: string) => Promise<void> }> {
  const name = `t_${randomUUID().replaceAll("-", "")}`;
  const url = new URL(sharedPostgresUrl());
  const run = async (on: string, sql: string): Promise<void> => {
    const client = new pg.Client({ connectionString: on });
    await client.connect();
    try {
      await client.query(sql);
    } finally {
      await client.end();
    }
  };
  await run(url.href, `create database ${name}`);
  url.pathname = `/${name}`;
  await migrate(url.href, { partitionCount: 4 });
  return { url: url.href, change: (sql) => run(url.href, sql) };
}

const logger = createLogger("test", "silent");

/** Starts both services that talk to Postgres; what each said, or `started`. */
async function started(databaseUrl: string): Promise<string[]> {
  const env = { DATABASE_URL: databaseUrl, NATS_URL: nats.serviceUrl, REVEILLE_HTTP_PORT: "0" };
  const services = [
    startAgentActor(readActorConfig(env), logger),
    startGateway(readGatewayConfig(env), logger),
  ];
  return Promise.all(
    services.map((starting) =>
      starting.then(
        (service) => {
          onTestFinished(() => service.stop());
          return "started";
        },
        (error: Error) => `${error.name}: ${error.message}`,
      ),
    ),
  );
}

const anotherMigration =
  "insert into drizzle.__drizzle_migrations (hash, created_at) values ('newer', 4102444800000)";

test("[F29] a service starts on a schema that a newer version made and still lets it use", async () => {
  const { url, change } = await database();
  await change(anotherMigration);
  expect(await started(url)).toEqual(["started", "started"]);
});

test("[F29] a service that is too old for the schema says so", async () => {
  const { url, change } = await database();
  await change(anotherMigration);
  await change("update mailbox_state set schema_oldest = 1000");
  for (const refusal of await started(url))
    expect(refusal).toMatch(/^WrongVersion: .*1000 is the least.*a newer version has migrated it/);
});

test("[F29] a service that is too new for the schema asks for the migration", async () => {
  const { url, change } = await database();
  await change("delete from drizzle.__drizzle_migrations where id > 2");
  for (const refusal of await started(url))
    expect(refusal).toMatch(/^WrongVersion: .*2 of the \d+ migrations.*reveille migrate/);
});

test("[F29] a service that does not read the protocol in force says who is too old", async () => {
  const { url, change } = await database();
  await change("update mailbox_state set protocol = 9");
  for (const refusal of await started(url))
    expect(refusal).toMatch(/^WrongVersion: .*protocol 9.*this release is too old/);
});
