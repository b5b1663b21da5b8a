// Owns the scenarios of how a process ends, and of the environment that it is given.
import assert from "node:assert/strict";
import type { Row } from "../client.js";
import { only } from "../evidence.js";
import type { Scenario } from "../scenario.js";
import type { Scene } from "../scene.js";
import { wakeToEnd } from "../waits.js";
import { nobody } from "./wakes.js";

type Config = Row | ((scene: Scene) => Row);

const outcome = (
  id: string,
  adapterConfig: Config,
  why: string,
  more: Partial<Scenario> = {},
): Scenario => ({
  id,
  title: why,
  why,
  run: async (scene) => {
    const config = typeof adapterConfig === "function" ? adapterConfig(scene) : adapterConfig;
    await wakeToEnd(scene, await scene.agent("A", { adapterConfig: config }));
  },
  ...more,
});

/** A shell's script. */
const script = (text: string): Row => ({ command: "/bin/sh", args: ["-c", text], cwd: "/tmp" });

const shown =
  "env | grep -E '^(PAPERCLIP_(AGENT_ID|COMPANY_ID|API_URL|RUN_ID|TASK)|FOO|MY_TOKEN)' | sort";
const ours = "env | grep -E '^(REVEILLE_|PAPERCLIP_|FOO|MY_TOKEN|DATABASE_URL|NATS_URL)' | sort";

export const outcomeScenarios: readonly Scenario[] = [
  outcome(
    "e01-exit-0-output",
    script("echo out; echo err >&2"),
    "resultJson with stdout and stderr; excerpts",
    { rows: ["O4", "E9", "E11"] },
  ),
  outcome("e03-self-sigkill", script("kill -9 $$"), "no exit code counts as 0: succeeded", {
    rows: ["O1", "O3"],
    want: (_, rows) => {
      const run = only(rows.heartbeat_runs, "run");
      assert.deepEqual([run["status"], run["signal"]], ["failed", "SIGKILL"]);
      assert.match(String(run["error"]), /SIGKILL/);
      assert.equal(only(rows.agents, "agent")["status"], "error");
    },
  }),
  outcome(
    "e04-timeout",
    { command: "/bin/sleep", args: ["30"], cwd: "/tmp", timeoutSec: 1, graceSec: 1 },
    "timed_out, errorCode timeout, 'Timed out after 1s'",
    { ws: true, rows: ["O1", "O2", "O3"] },
  ),
  outcome(
    "e07-command-not-found",
    { command: "no-such-cmd-xyz", cwd: "/tmp" },
    "failed, adapter_failed, 'Failed to start command'",
    { ws: true, rows: ["O6"] },
  ),
  outcome("e08-missing-command", {}, "'Process adapter missing command'", {
    rows: ["O6", "B23"],
  }),
  outcome("e10-not-executable", { command: "/etc/hostname", cwd: "/tmp" }, "EACCES"),
  outcome(
    "e11-env",
    { ...script(`${shown}; ${ours}`), env: { FOO: "bar", MY_TOKEN: "s3cret" } },
    "what a process is given: no run id, no key; the event hides *TOKEN*",
    {
      rows: ["B32"],
      run: async (scene) => {
        const env = { FOO: "bar", MY_TOKEN: "s3cret" };
        const adapterConfig = { ...script(ours), env };
        const agent = await scene.agent("A", { adapterConfig });
        const wake = { reason: "why", payload: { taskKey: "T" } };
        scene.seen["run"] = (await wakeToEnd(scene, agent, wake)).id;
        scene.seen["agent"] = agent;
        const { body } = await scene.call(
          "GET",
          `/api/heartbeat-runs/${String(scene.seen["run"])}/events`,
        );
        scene.seen["events"] = body;
      },
      want: (scene, rows) => {
        const { seen } = scene;
        const run = only(rows.heartbeat_runs, "run");
        const stdout = String((run["result_json"] as Row)["stdout"]);
        const given = Object.fromEntries(
          stdout.split("\n").map((line) => line.split(/=(.*)/s).slice(0, 2) as [string, string]),
        );
        for (const family of ["REVEILLE", "PAPERCLIP"]) {
          assert.equal(given[`${family}_RUN_ID`], seen["run"]);
          assert.equal(given[`${family}_AGENT_ID`], seen["agent"]);
          assert.equal(given[`${family}_COMPANY_ID`], scene.companyId);
          assert.equal(given[`${family}_WAKE_REASON`], "why");
          assert.ok(given[`${family}_API_URL`], `${family}_API_URL is given`);
        }
        assert.equal(given["FOO"], "bar");
        // It is a secret by its name: the process has it, nobody who reads output or events sees it.
        assert.ok("MY_TOKEN" in given);
        for (const name of ["DATABASE_URL", "NATS_URL"])
          assert.ok(!(name in given), `${name} stays with the server`);
        const events = seen["events"] as Row[];
        const invoked = only(
          events.filter(({ eventType }) => eventType === "adapter.invoke"),
          "invocation",
        );
        assert.doesNotMatch(JSON.stringify(invoked), /s3cret/);
        assert.equal(((invoked["payload"] as Row)["env"] as Row)["FOO"], "bar");
      },
    },
  ),
  outcome(
    "e14-utf8",
    script("printf 'h\\303\\251llo \\342\\202\\254 \\360\\237\\220\\247\\n'"),
    "characters of several bytes in one chunk",
  ),
  {
    id: "e27-unknown-adapter-type",
    rows: ["E14"],
    title: "an agent of an adapter type that is not there",
    why: "400",
    run: async (scene) => {
      const path = `/api/companies/${scene.companyId}/agents`;
      await scene.request("POST", path, { name: "A", adapterType: "bogus" });
      await scene.request("GET", `/api/agents/${nobody}`);
    },
    want: ({ answers }, rows) => {
      const { status, body } = answers[0]!;
      assert.equal(status, 400);
      assert.equal((body as Row)["error"], "Validation error");
      const details = JSON.stringify((body as Row)["details"]);
      for (const word of ["adapterType", "process", "http"])
        assert.match(details, new RegExp(word));
      assert.deepEqual(rows.agents, []);
    },
  },
];
