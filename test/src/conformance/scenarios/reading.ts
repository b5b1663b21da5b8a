// Owns the scenarios of reading what happened: logs in pages, lists of runs, events, live frames.
import assert from "node:assert/strict";
import { setTimeout as pause } from "node:timers/promises";
import type { Row } from "../client.js";
import type { Scenario } from "../scenario.js";
import type { Scene } from "../scene.js";
import { wakeToEnd, wakeToWork } from "../waits.js";
import { nobody } from "./wakes.js";

interface LogPage {
  content: string;
  nextOffset?: number;
}

async function page(scene: Scene, runId: string, query = ""): Promise<LogPage> {
  return (await scene.call("GET", `/api/heartbeat-runs/${runId}/log${query}`)).body as LogPage;
}

/** The whole log in pages of a size, as a client reads it. 50 pages at most. */
async function paged(scene: Scene, runId: string, limitBytes: number) {
  let [content, offset, pages]: [string, number | undefined, number] = ["", 0, 0];
  while (offset !== undefined && pages < 50) {
    const one = await page(scene, runId, `?offset=${offset}&limitBytes=${limitBytes}`);
    content += one.content;
    offset = one.nextOffset;
    pages += 1;
  }
  return { content, pages };
}

/** What the lines of a log say, put together. */
const textOf = (content: string): string =>
  content
    .trim()
    .split("\n")
    .map((line) => (JSON.parse(line) as { chunk: string }).chunk)
    .join("");

const listQueries = (other: string): string[] => [
  "",
  "?limit=1",
  `?agentId=${other}`,
  "?limit=0",
  "?limit=abc",
  "?limit=-1",
  `?agentId=${nobody}`,
  "?agentId=notuuid",
];

export const readingScenarios: readonly Scenario[] = [
  {
    id: "f01-log-paging",
    rows: ["L3"],
    title: "a finished log by offset and limitBytes",
    why: "ndjson of ts, stream, chunk; no nextOffset at the end",
    run: async (scene) => {
      const adapterConfig = scene.shell(
        "echo one; sleep 0.15; echo two; sleep 0.15; echo three >&2",
      );
      const run = await wakeToEnd(scene, await scene.agent("A", { adapterConfig }));
      const read = (query: string, pick?: (body: Row) => unknown) =>
        scene.request(
          "GET",
          `/api/heartbeat-runs/${run.id}/log${query}`,
          undefined,
          pick ? { pick } : {},
        );
      const { content } = (await read("")).body as LogPage;
      const inPages = await paged(scene, run.id, 50);
      scene.observe("paging", {
        reassembled: inPages.content === content,
        pages: inPages.pages,
        bytes: Buffer.byteLength(content),
      });
      for (const query of [
        "?offset=99999",
        "?offset=-5&limitBytes=10",
        "?limitBytes=0",
        "?limitBytes=-3",
      ])
        await read(query);
      await read("?offset=abc&limitBytes=xyz", (body) => ({ same: body["content"] === content }));
    },
  },
  {
    id: "f02-log-errors",
    rows: ["L2", "L3"],
    title: "log and events of an unknown run, of a queued one, of what is no id",
    why: "404 with a text; 500 for what is no id",
    run: async (scene) => {
      const agent = await scene.agent("A", scene.gated());
      await wakeToWork(scene, agent, { payload: { taskKey: "1" } });
      const { body } = await scene.wake(agent, { payload: { taskKey: "2" } });
      const queued = String((body as Row)["id"]);
      const paths = [
        `${queued}/log`,
        `${nobody}/log`,
        `${queued}/events`,
        `${nobody}/events`,
        "nope/events",
      ];
      for (const path of paths) await scene.request("GET", `/api/heartbeat-runs/${path}`);
      scene.open("go");
    },
    apartFrom: ({ req }) => String((req as Row | undefined)?.["path"]).includes("/nope/"),
    want: ({ answers }) => {
      assert.equal(answers.at(-1)?.status, 400);
    },
  },
  {
    id: "f04-log-utf8-split",
    rows: ["B27", "L3"],
    title: "limitBytes in the middle of a character",
    why: "a replacement character on both sides of the cut",
    run: async (scene) => {
      const euros = "printf '\\342\\202\\254\\342\\202\\254\\342\\202\\254\\342\\202\\254'";
      const agent = await scene.agent("A", { adapterConfig: scene.shell(euros) });
      const run = await wakeToEnd(scene, agent);
      const whole = (await page(scene, run.id)).content;
      const cut = Buffer.from(whole).indexOf(Buffer.from("€")) + 1;
      const first = await page(scene, run.id, `?offset=0&limitBytes=${cut}`);
      const second = await page(scene, run.id, `?offset=${first.nextOffset}`);
      Object.assign(scene.seen, { whole, first: first.content, second: second.content });
    },
    want: ({ seen }) => {
      const { whole, first, second } = seen as Record<string, string>;
      assert.equal(`${first}${second}`, whole);
      assert.ok(!`${first}${second}`.includes("\ufffd"), "no replacement character");
      assert.equal(textOf(whole!), "€€€€");
    },
  },
  {
    id: "f06-run-list",
    rows: ["L1"],
    title: "lists of runs by limit and agent",
    why: "newest first; odd limits are clamped; 500 for an agentId that is no id",
    run: async (scene) => {
      const a = await scene.agent("A");
      const b = await scene.agent("B");
      for (const agent of [a, b, a]) await wakeToEnd(scene, agent);
      const pick = (body: unknown): unknown =>
        Array.isArray(body) ? body.map(({ id, agentId, status }) => [id, agentId, status]) : body;
      const path = `/api/companies/${scene.companyId}/heartbeat-runs`;
      for (const query of listQueries(b))
        await scene.request("GET", `${path}${query}`, undefined, { pick });
      await scene.request("GET", `${path}?limit=1`);
    },
    apartFrom: ({ req }) => String((req as Row | undefined)?.["path"]).endsWith("agentId=notuuid"),
    want: ({ answers }) => {
      assert.equal(answers.at(-2)?.status, 400);
    },
  },
  {
    id: "f09-ws-log-chunk-cap",
    rows: ["E9", "E10"],
    title: "40 KB in one write",
    why: "a live chunk keeps the last 8192 characters; the stored log is whole",
    run: async (scene) => {
      const events = await scene.follow();
      const program = "$|=1; syswrite(STDOUT, 'x' x 40000 . 'END')";
      const adapterConfig = { command: "/usr/bin/perl", args: ["-e", program], cwd: "/tmp" };
      const run = await wakeToEnd(scene, await scene.agent("A", { adapterConfig }));
      scene.seen["stored"] = textOf((await page(scene, run.id)).content).length;
      // Frames are not promised with the end of the run: they have a moment to arrive.
      await pause(200);
      events.close();
    },
    want: ({ seen, frames }) => {
      assert.equal(seen["stored"], 40_003);
      for (const { type, payload } of frames)
        if (type === "heartbeat.run.log") assert.ok(String(payload["chunk"]).length <= 8_192);
    },
  },
];
