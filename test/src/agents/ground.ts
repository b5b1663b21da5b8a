// A whole system and a model's service for tests with the real programs: makes agents of them, wakes them, waits for their runs.
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connectBus } from "@reveille/shared/nats/bus";
import type { NatsBus } from "@reveille/shared/nats/bus";
import { runIsOver, startWholeSystem } from "../harness/whole-system.js";
import type { Row, WholeSystem } from "../harness/whole-system.js";
import { startModelServer } from "./model-server.js";
import type { Conversation, ModelServer } from "./model-server.js";
import { agentOf } from "./programs.js";
import type { ProgramName } from "./programs.js";

export interface ProgramAgent {
  id: string;
  /** What the program keeps is below it. */
  home: string;
  workspace: string;
  talk: Conversation;
  /** Wakes it for the task and resolves to the run, which is not over yet. */
  wake(taskKey: string): Promise<string>;
}
export interface AgentSettings {
  config?: object;
  runtimeConfig?: object;
  env?: object;
}
export interface Ground {
  readonly scratch: string;
  readonly system: WholeSystem;
  readonly model: ModelServer;
  readonly bus: NatsBus;
  readonly companyId: string;
  newAgent(program: ProgramName, more?: AgentSettings): Promise<ProgramAgent>;
  /** The run when it is over. */
  over(runId: string): Promise<Row>;
  stop(): Promise<void>;
}

/** Long: the programs start cold, beside whatever else this machine does. */
export const overMs = 90_000;

/** `runner`: settings of its runner. */
export async function startGround(runner: Record<string, string> = {}): Promise<Ground> {
  const scratch = mkdtempSync(join(tmpdir(), "reveille-agents-"));
  const model = await startModelServer();
  const system = await startWholeSystem({ env: { runner } });
  const bus = await connectBus({ url: system.nats, name: "agents-test" });
  const company = await system.call("POST", "/companies", { name: "Agents" });
  const companyId = String(company.body["id"]);
  let count = 0;
  return {
    scratch,
    system,
    model,
    bus,
    companyId,
    newAgent: async (program, more = {}) => {
      const name = `${program}-${(count += 1)}`;
      const home = join(scratch, name);
      const workspace = join(home, "workspace");
      mkdirSync(join(home, "codex"), { recursive: true });
      mkdirSync(workspace);
      const talk = model.conversation(name);
      const settings = agentOf(program, talk.url, home);
      const promptTemplate = "Do the task {{run.taskKey}}.";
      const env = { ...(settings.adapterConfig["env"] as object), ...more.env };
      const own = { ...settings.adapterConfig, cwd: workspace, promptTemplate, env };
      const created = await system.call("POST", `/companies/${companyId}/agents`, {
        name,
        adapterType: settings.adapterType,
        adapterConfig: { ...own, ...more.config },
        runtimeConfig: more.runtimeConfig ?? {},
      });
      if (created.status !== 201) throw new Error(JSON.stringify(created.body));
      const id = String(created.body["id"]);
      return {
        id,
        home,
        workspace,
        talk,
        wake: async (taskKey) => {
          const woken = await system.call("POST", `/agents/${id}/wakeup`, { payload: { taskKey } });
          if (woken.status !== 202) throw new Error(JSON.stringify(woken.body));
          return String(woken.body["id"]);
        },
      };
    },
    over: (runId) => runIsOver(system, runId, overMs),
    stop: async () => {
      await bus.connection.close();
      await system.stop();
      await model.stop();
      rmSync(scratch, { recursive: true, force: true });
    },
  };
}
