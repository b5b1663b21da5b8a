// A gateway is killed in the middle of requests and of logs that it serves. Who asked and heard nothing asks another gateway with the
// same key, and gets the one run; who followed a log goes on there behind the last frame.
import { randomInt } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { WebSocket } from "ws";
import { clusterOfFile, seeded, type Cluster } from "../harness/cluster.js";
import { inForm } from "../harness/fault-form.js";
import { until } from "../harness/until.js";

const kills = inForm(4, 20);
const perKill = 24;

const clusterNow = clusterOfFile();

interface Answer {
  status: number;
  runId: string;
}

/** `undefined`: nobody knows whether it was done. */
async function ask(http: string, agentId: string, key: string): Promise<Answer | undefined> {
  const response = await fetch(`${http}/api/agents/${agentId}/wakeup`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ idempotencyKey: key, payload: { taskKey: key } }),
    signal: AbortSignal.timeout(20_000),
  }).catch(() => undefined);
  // The connection may break behind the status as well.
  const body = (await response?.json().catch(() => undefined)) as { id?: string } | undefined;
  return response && body ? { status: response.status, runId: String(body.id) } : undefined;
}

const living = (cluster: Cluster): string[] =>
  cluster.system.stack.service("gateway").flatMap(({ pid, ready }) => {
    return pid !== undefined && ready?.http !== undefined ? [ready.http] : [];
  });

test("[F1] kill -9 of a gateway in the middle of requests: asked again with the same key, there is one run", async () => {
  const seed = Number(process.env["REVEILLE_TEST_SEED"] ?? randomInt(1_000_000));
  const below = seeded(seed);
  const cluster = clusterNow();
  const { stack } = cluster.system;
  const agents = await cluster.agents(12, 50, 3);
  let unknown = 0;
  for (let kill = 0; kill < kills; kill += 1) {
    const [victim, other] = stack.service("gateway").filter(({ pid }) => pid !== undefined);
    const from = victim!.ready!.http!;
    const keys = Array.from({ length: perKill }, (_, n) => ({
      key: `key-${kill}-${n}`,
      agentId: agents[below(agents.length)]!.agentId,
    }));
    let answered = 0;
    const asked = keys.map(async ({ key, agentId }) => {
      const answer = await ask(from, agentId, key);
      answered += 1;
      return answer;
    });
    // At any place between the first and the last of them; some are on their way at any moment.
    const killAfter = below(perKill - 4);
    await until(`${killAfter} are answered`, () => answered >= killAfter);
    expect(victim!.kill("SIGKILL")).toBe(true);
    const answers = await Promise.all(asked);
    await until("it is gone", () => victim!.pid === undefined);
    const again = await Promise.all(
      keys.map(({ key, agentId }) => ask(other!.ready!.http!, agentId, key)),
    );
    for (const [n, answer] of answers.entries()) {
      expect(again[n]).toMatchObject({ status: 202 });
      // What was answered stays true.
      if (answer) expect(again[n]).toEqual(answer);
      else unknown += 1;
    }
    await stack.start("gateway");
  }
  process.stderr.write(
    `seed ${seed}: ${unknown} of ${kills * perKill} requests were not answered\n`,
  );
  expect(unknown).toBeGreaterThan(0);
  await cluster.atRest([], 60_000);
  await cluster.expectAllWell([], agents);
  const runs = await cluster.rows<{ key: string; runs: number }>(
    `select idempotency_key as key, count(distinct run_id)::int as runs from agent_wakeup_requests
      where idempotency_key like 'key-%' group by 1`,
  );
  expect(runs).toHaveLength(kills * perKill);
  expect(runs.filter((row) => row.runs !== 1)).toEqual([]);
});

interface Frame {
  event: string;
  id: string;
  data: { chunk?: string };
}

/** Follows a log over gateways that die: to the next one, behind the last frame, until the end of the run. */
async function followToEnd(
  cluster: Cluster,
  runId: string,
  frames: Frame[],
): Promise<{ connections: number }> {
  for (let connections = 1; ; connections += 1) {
    const last = frames.at(-1)?.id;
    const http = await until("a gateway lives", () => living(cluster).at(connections % 2));
    const socket = new WebSocket(
      `${http.replace("http", "ws")}/api/heartbeat-runs/${runId}/log/ws${last ? `?after=${last}` : ""}`,
    );
    socket.on("message", (data: Buffer) => frames.push(JSON.parse(data.toString()) as Frame));
    await new Promise<void>((resolve) => {
      socket.once("close", () => resolve());
      socket.once("error", () => resolve());
    });
    if (frames.at(-1)?.event === "end") return { connections };
    if (connections > 50) throw new Error("the log has no end");
  }
}

/** Prints some lines every 20 ms until the file in its argument is there. */
const program = `let n = 0; const say = () => {
  let text = ""; for (let i = 0; i < 50; i += 1) text += "line " + n++ + "\\n";
  process.stdout.write(text);
  if (!require("node:fs").existsSync(process.argv[1])) setTimeout(say, 20);
}; say();`;

test("[F1] followers of a log go on at another gateway when theirs is killed: every byte once", async () => {
  const cluster = clusterNow();
  const { stack, call } = cluster.system;
  const release = join(cluster.witness.dir, "printed-enough");
  const { body } = await call("POST", `/companies/${cluster.companyId}/agents`, {
    name: "Prints",
    adapterType: "process",
    adapterConfig: { command: process.execPath, args: ["-e", program, release] },
  });
  const agentId = String(body["id"]);
  const started = await ask(living(cluster)[0]!, agentId, "prints");
  const runId = started!.runId;
  const readers = [0, 1, 2, 3].map(() => [] as Frame[]);
  const ends = Promise.all(readers.map((frames) => followToEnd(cluster, runId, frames)));
  for (let kill = 0; kill < inForm(2, 4); kill += 1) {
    const told = Math.min(...readers.map(({ length }) => length));
    await until("all are told more", () => readers.every(({ length }) => length > told + 3));
    const victim = stack.service("gateway").find(({ pid }) => pid !== undefined)!;
    expect(victim.kill("SIGKILL")).toBe(true);
    await stack.start("gateway");
  }
  writeFileSync(release, "");
  const connected = await ends;
  const [{ bytes }] = (await cluster.rows<{ bytes: number }>(
    "select log_bytes::int as bytes from heartbeat_runs where id = $1",
    [runId],
  )) as [{ bytes: number }];
  for (const frames of readers) {
    const text = frames.map(({ event, data }) => (event === "log" ? data.chunk : "")).join("");
    const numbers = text.trimEnd().split("\n");
    expect(numbers.findIndex((line, n) => line !== `line ${n}`)).toBe(-1);
    expect(text.length).toBe(bytes);
  }
  // The faults have met somebody.
  expect(Math.max(...connected.map(({ connections }) => connections))).toBeGreaterThan(1);
  await cluster.atRest([], 30_000);
  await cluster.expectAllWell([], []);
});
