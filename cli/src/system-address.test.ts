import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { CliFailure } from "./failure.js";
import { findSystem } from "./system-address.js";

function dataDir(): string {
  const dir = mkdtempSync(join(tmpdir(), "reveille-cli-"));
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

function runningSystem(): string {
  const dir = dataDir();
  mkdirSync(join(dir, "nats", "users"), { recursive: true });
  writeFileSync(join(dir, "nats", "users", "operator.password"), "secret\n");
  writeFileSync(
    join(dir, "endpoints.json"),
    JSON.stringify({
      http: "http://127.0.0.1:3199",
      nats: "nats://127.0.0.1:4299",
      databaseUrl: "postgres://u:p@127.0.0.1:5499/r",
      pids: { nats: [7] },
    }),
  );
  return dir;
}

test("a system on this machine is found by its data directory, its service user included", () => {
  expect(findSystem({ dataDir: runningSystem() }, {})).toMatchObject({
    api: "http://127.0.0.1:3199",
    nats: "nats://127.0.0.1:4299",
    serviceNats: "nats://operator:secret@127.0.0.1:4299",
    databaseUrl: "postgres://u:p@127.0.0.1:5499/r",
    prefix: "rv",
    hasEndpoints: true,
  });
});

test("options win over the environment, the environment over endpoints.json", () => {
  const dir = runningSystem();
  const env = { REVEILLE_API_URL: "http://env:1/", NATS_URL: "nats://me:pw@env:2" };
  expect(findSystem({ dataDir: dir }, env)).toMatchObject({
    api: "http://env:1",
    nats: "nats://me:pw@env:2",
    // Not the embedded server: its password is nothing to show to another one.
    serviceNats: "nats://me:pw@env:2",
  });
  const options = { dataDir: dir, api: "http://opt:3/api", nats: "opt:4" };
  expect(findSystem(options, env)).toMatchObject({ api: "http://opt:3", nats: "nats://opt:4" });
});

test("without anything the default ports are tried, and no credentials are made up", () => {
  const found = findSystem({ dataDir: dataDir() }, { REVEILLE_HTTP_PORT: "3200" });
  expect(found).toMatchObject({
    api: "http://127.0.0.1:3200",
    nats: "nats://127.0.0.1:4222",
    serviceNats: undefined,
    databaseUrl: undefined,
    hasEndpoints: false,
  });
});

test.each([
  [{ api: "not a url" }, "--api"],
  [{ api: "ftp://x" }, "--api"],
  [{ nats: "http://x" }, "--nats"],
  [{ nats: "nats://a,nats://b:x" }, "--nats"],
])("an address that is none is bad usage and names the option: %j", (options, name) => {
  const find = (): unknown => findSystem({ dataDir: dataDir(), ...options }, {});
  expect(find).toThrow(CliFailure);
  expect(find).toThrow(name);
});
