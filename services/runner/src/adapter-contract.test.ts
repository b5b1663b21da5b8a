import http from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { defineAdapter } from "./adapter.js";
import type { Adapter, AdapterContext } from "./adapter.js";
import { checkAdapter } from "./adapter-contract.js";
import { httpAdapter } from "./adapters/http.js";
import { noopAdapter } from "./adapters/noop.js";
import { processAdapter } from "./adapters/process.js";

describe("the runner's own adapters and the example keep the contract", () => {
  const callee = http.createServer((request, answer) => {
    if (request.url === "/now") answer.end("{}");
  });
  let base = "";
  beforeAll(async () => {
    await new Promise<void>((resolve) => callee.listen(0, "127.0.0.1", resolve));
    base = `http://127.0.0.1:${(callee.address() as AddressInfo).port}`;
  });
  afterAll(() => {
    callee.closeAllConnections();
    callee.close();
  });

  test("process", async () => {
    const works = { command: "/bin/sh", args: ["-c", "echo hello"] };
    const lasts = { command: "sleep", args: ["60"] };
    const broken = { command: "no-such-command-xyz" };
    expect(await checkAdapter(processAdapter, { works, lasts, broken })).toEqual([]);
  });
  test("noop", async () => {
    const given = { works: {}, lasts: { delayMs: 60_000 }, broken: { exitCode: 3 } };
    expect(await checkAdapter(noopAdapter, given)).toEqual([]);
  });
  test("http", async () => {
    const works = { url: `${base}/now`, callback: true };
    const lasts = { url: `${base}/never` };
    expect(await checkAdapter(httpAdapter(true), { works, lasts, broken: { url: "x" } })).toEqual(
      [],
    );
  });
  test("the example", async () => {
    const path = "../../../examples/adapter-echo/index.js";
    const echo = ((await import(path)) as { default: Adapter }).default;
    const lasts = { text: "a", times: 1_000, pauseMs: 50 };
    expect(await checkAdapter(echo, { works: { text: "a" }, lasts })).toEqual([]);
  });
});

const sound = defineAdapter({
  type: "sound",
  label: "Sound",
  starts: "nothing",
  configSchema: null,
  execute: async () => ({ exitCode: 0 }),
});
const check = (change: Partial<Adapter>, lasts?: Record<string, unknown>) =>
  checkAdapter({ ...sound, ...change }, { works: {}, ...(lasts ? { lasts } : {}) });

describe("what breaks the contract is named", () => {
  test.each<[Partial<Record<keyof Adapter, unknown>>, string]>([
    [{ type: "Not Good" }, "`type`"],
    [{ label: "" }, "`label`"],
    [{ starts: "maybe" }, "`starts`"],
    [{ configSchema: "x" }, "`configSchema`"],
    [{ models: [{ id: 1 }] }, "`models`"],
    [{ test: 1 }, "`test`"],
    [{ execute: undefined }, "`execute`"],
  ])("%j", async (change, field) => {
    expect((await check(change as Partial<Adapter>))[0]).toContain(field);
  });

  test("an answer that is none, and an exception", async () => {
    const none = await check({ execute: async () => ({ exitCode: "0" }) as never });
    expect(none.join()).toContain("no result: exitCode");
    const threw = await check({ execute: () => Promise.reject(new Error("oh")) });
    expect(threw.join()).toContain("execute threw: oh");
  });

  test("a token that is told", async () => {
    const faults = await check({
      execute: async ({ api, warn }) => {
        warn(`my key is ${api.token}`);
        return {};
      },
    });
    expect(faults.join()).toContain("token was told");
  });

  test("a process that is started although there are none, or left behind", async () => {
    const starts = await check({
      execute: async (context) => {
        await context.launch({ command: "true" });
        return {};
      },
    });
    expect(starts.join()).toContain('`starts` is "nothing"');
    const left = await check({
      starts: "processes",
      execute: async (context) => {
        void context.launch({ command: "sleep", args: ["60"] });
        return {};
      },
    });
    expect(left.join()).toContain("before its process had ended");
  });

  test("deafness to the signal", async () => {
    const deaf = async ({ config }: AdapterContext) => {
      if (config["deaf"]) await new Promise((resolve) => setTimeout(resolve, 5_000));
      return {};
    };
    expect((await check({ execute: deaf }, { deaf: true })).join()).toContain(
      "no answer within 3000 ms",
    );
  });

  test("a test that finds errors in what works", async () => {
    const found = [{ code: "x", level: "error" as const, message: "m" }];
    expect((await check({ test: async () => found })).join()).toContain("an error in what works");
  });
});
