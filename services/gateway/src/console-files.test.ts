import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { readConsole } from "./console-files.js";
import type { ConsoleFiles } from "./console-files.js";

let folder = "";
let files: ConsoleFiles;
const get = (path: string, more: Partial<Parameters<ConsoleFiles>[0]> = {}) =>
  files({ path, accept: "text/html", acceptEncoding: undefined, ifNoneMatch: undefined, ...more });

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "console-"));
  await mkdir(join(folder, "assets"));
  await writeFile(join(folder, "index.html"), "<p>page</p>");
  await writeFile(join(folder, "assets", "app-1.js"), "script");
  await writeFile(join(folder, "assets", "app-1.js.br"), "small");
  await writeFile(join(folder, ".built"), "");
  files = await readConsole(folder);
});
afterAll(() => rm(folder, { recursive: true }));

test("pages get the page, with a strict policy, and ask again each time", () => {
  for (const path of ["/", "/some-company/runs/1"]) {
    const found = get(path);
    expect(found?.body?.toString()).toBe("<p>page</p>");
    expect(found?.headers).toMatchObject({
      "cache-control": "no-cache",
      "content-type": "text/html; charset=utf-8",
    });
    expect(found?.headers["content-security-policy"]).toContain("script-src 'self'");
    expect(found?.headers["content-security-policy"]).not.toContain("unsafe");
  }
});

test("files whose name has their content in it are kept for a year, compressed for who can read that", () => {
  const small = get("/assets/app-1.js", { acceptEncoding: "gzip, deflate, br" });
  expect(small?.body?.toString()).toBe("small");
  expect(small?.headers).toMatchObject({
    "content-encoding": "br",
    "cache-control": "public, max-age=31536000, immutable",
  });
  const plain = get("/assets/app-1.js", { acceptEncoding: "deflate" });
  expect(plain?.body?.toString()).toBe("script");
  const again = get("/assets/app-1.js", { ifNoneMatch: plain?.headers["etag"] });
  expect([again?.status, again?.body]).toEqual([304, null]);
});

test("nothing else is there: no path of the API, no missing file, nothing outside of the folder", () => {
  const others = [
    "/api",
    "/api/companies",
    "/metrics",
    "/livez",
    "/assets/gone.js",
    "/.built",
    "/assets/../../package.json",
  ];
  for (const path of others) expect(get(path), path).toBeNull();
  expect(get("/some-company", { accept: "application/json" })).toBeNull();
});

test("a gateway without a console says so at / alone", async () => {
  const none = await readConsole(join(folder, "none"));
  const found = none({
    path: "/",
    accept: undefined,
    acceptEncoding: undefined,
    ifNoneMatch: undefined,
  });
  expect(found?.body?.toString()).toContain("not built");
  expect(
    none({
      path: "/api/x",
      accept: "text/html",
      acceptEncoding: undefined,
      ifNoneMatch: undefined,
    }),
  ).toBeNull();
});
