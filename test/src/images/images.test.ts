// The images as they would be: laid out by replaying the Dockerfile, looked into, and started against real servers.
import { randomUUID } from "node:crypto";
import { chmodSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import pg from "pg";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { serviceNats, startTestNats } from "../harness/nats.js";
import { sharedPostgresUrl } from "../harness/provided.js";
import { startRig } from "../runner/rig.js";
import { layOutImages } from "./check.js";
import type { LaidOut } from "./check.js";
import { childrenOf, startContainer } from "./container.js";
import type { Container } from "./container.js";
import { inspectImage, nestedModules } from "./contents.js";
import { imageConfig } from "./dockerfile.js";
import { imagesSubject, root, targets } from "./subjects.js";
import { tryImages } from "./trial.js";

/** Four installs and a build beside other tests; alone they take half a minute. */
const layoutLimitMs = 300_000;

let images: LaidOut;
beforeAll(async () => {
  images = await layOutImages();
}, layoutLimitMs);
afterAll(() => images?.remove());

describe("what is in an image", () => {
  test.each(targets)("%s has what it needs and nothing for development", (target) => {
    expect(images.contents.get(target)!.problems).toEqual([]);
  });

  test("no install puts packages where nothing takes them from", () => {
    expect(images.leftBehind).toEqual([]);
    const stage = images.roots.get("gateway-dependencies")!;
    const nested = join(stage, "app/services/gateway/node_modules");
    mkdirSync(nested);
    expect(nestedModules(stage)).toEqual(["app/services/gateway/node_modules"]);
    rmSync(nested, { recursive: true });
  });

  test("what does not belong there is found", () => {
    const app = join(images.roots.get("gateway")!, "app");
    const planted = [
      "node_modules/vitest/package.json",
      "services/gateway/dist/gateway.test.js",
      "services/gateway/src/gateway.ts",
      "services/runner/dist/main.js",
      "shared/dist/closed.js",
    ];
    for (const path of planted) {
      mkdirSync(join(app, path, ".."), { recursive: true });
      writeFileSync(join(app, path), "");
    }
    chmodSync(join(app, "shared/dist/closed.js"), 0o600);
    const lock = readFileSync(join(root, "package-lock.json"), "utf8");
    const expected = ["shared", "services/gateway", "services/agent-actor"];
    const found = inspectImage(images.roots.get("gateway")!, lock, expected);
    for (const path of planted) rmSync(join(app, path));
    for (const folder of ["node_modules/vitest", "services/runner", "services/gateway/src"])
      rmSync(join(app, folder), { recursive: true });
    expect(found.problems).toEqual(
      expect.arrayContaining([
        "node_modules/vitest is for development",
        "app/services/gateway/dist/gateway.test.js is not for an image",
        "app/services/gateway/src/gateway.ts is not for an image",
        "services/runner is another image's",
        "app/shared/dist/closed.js cannot be read by all",
        "services/agent-actor is missing",
      ]),
    );
    expect(found.digest).not.toBe(images.contents.get("gateway")!.digest);
  });
});

test("the four images run an agent together, and end when told to", async () => {
  const nats = await startTestNats();
  onTestFinished(() => nats.stop());
  const databaseUrl = await emptyDatabase();
  const { roots, scratch } = images;
  const { file } = imagesSubject();
  const tried = await tryImages({ file, roots, scratch, databaseUrl, natsUrl: nats.serviceUrl });
  expect(tried.filter(({ problem }) => problem !== null)).toEqual([]);
  expect(tried.length).toBe(11);
}, 180_000);

describe("the runner's image", () => {
  const start = (natsUrl: string, args: string[] = []): Container => {
    const data = join(images.scratch, randomUUID());
    mkdirSync(data);
    const container = startContainer({
      root: images.roots.get("runner")!,
      config: imageConfig(imagesSubject().file, "runner"),
      env: { ...serviceNats(natsUrl, "runner"), REVEILLE_HEALTH_PORT: "" },
      args,
      data,
    });
    onTestFinished(() => {
      container.signal("SIGKILL");
    });
    return container;
  };
  const sleeping = { command: "/bin/sleep", args: ["600"] };

  test("stays until the guard of a killed runner has reported its runs lost", async () => {
    const rig = await startRig(images.scratch);
    onTestFinished(() => rig.stop());
    const container = start(rig.nats.serviceUrl);
    const run = await rig.enqueue(sleeping);
    await rig.actor.until("started", run.runId, 60_000);
    const [runner] = descendants(container.pid()).filter((pid) => isRunner(pid));
    process.kill(runner!, "SIGKILL");
    // The lease of the rig's bucket is 6 s and nobody but the guard speaks before it is over.
    const { reason } = await rig.actor.until("lost", run.runId, 20_000);
    expect(reason).toBe("runner_gone");
    expect(await container.exited).toBe(137);
  }, 120_000);

  test("takes one execution with --once, and ends with 0", async () => {
    const rig = await startRig(images.scratch);
    onTestFinished(() => rig.stop());
    const run = await rig.enqueue({ command: "/bin/true" });
    const container = start(rig.nats.serviceUrl, ["--once"]);
    await rig.actor.until("finished", run.runId, 60_000);
    expect(await container.exited).toBe(0);
  }, 120_000);
});

async function emptyDatabase(): Promise<string> {
  const url = new URL(sharedPostgresUrl());
  const name = `images_${randomUUID().replaceAll("-", "")}`;
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

const descendants = (pid: number | undefined): number[] =>
  childrenOf(pid).flatMap((child) => [child, ...descendants(child)]);

function isRunner(pid: number): boolean {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "latin1").includes("runner/dist/main.js");
  } catch {
    return false; // it has ended
  }
}
