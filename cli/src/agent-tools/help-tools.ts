/** Tools about other agents: who there is, asking one, and its answer. */
import { z } from "zod";
import type { Row } from "../api.js";
import { usageFailure } from "../failure.js";
import { pick } from "../resolve.js";
import { defineTool } from "./tool.js";
import type { OwnRun, Tool } from "./tool.js";

/** Programs give up on a tool after some minutes; who needs longer asks again. */
const waitSecMax = 120;
const lookEveryMs = 1_000;
const waitSec = z
  .int()
  .min(0)
  .max(waitSecMax)
  .default(0)
  .describe("Wait so many seconds for the answer; without it, get_answer has it later");

const listAgents = defineTool({
  name: "list_agents",
  description: "The agents of this company: whom one could ask for help.",
  input: z.strictObject({}),
  run: async (run) => {
    const agents = await run.api.list(`/companies/${run.companyId}/agents`);
    return agents.map(({ id, name, role, title, status, capabilities }) => ({
      id,
      name,
      role,
      title: title ?? null,
      status,
      capabilities: capabilities ?? null,
      self: id === run.agentId,
    }));
  },
});

const askAgent = defineTool({
  name: "ask_agent",
  description:
    "Asks another agent for help. It works in a run of its own and knows only your message, so say all that it needs. An agent that waits for your answer cannot be asked.",
  input: z.strictObject({
    agent: z.string().min(1).max(200).describe("Name or id of the agent"),
    message: z.string().min(1).max(16_384),
    issue: z.string().max(64).optional().describe("Id or key of an issue that it should read"),
    waitSec,
  }),
  run: async (run, input) => {
    const agents = await run.api.list(`/companies/${run.companyId}/agents`);
    const agent = pick("agent", input.agent, agents, ["name"]);
    const asked = await run.api.post(`/agents/${String(agent["id"])}/ask`, {
      message: input.message,
      ...(input.issue === undefined ? {} : { issueId: input.issue }),
    });
    const question = `${String(asked["agentId"])}/${String(asked["wakeId"])}`;
    return { question, ...(await answerTo(run, question, input.waitSec)) };
  },
});

const getAnswer = defineTool({
  name: "get_answer",
  description:
    "The answer to a question that ask_agent has asked. While the status is waiting, queued or running there is none yet.",
  input: z.strictObject({
    question: z.string().max(200).describe("As ask_agent has answered it"),
    waitSec,
  }),
  run: (run, input) => answerTo(run, input.question, input.waitSec),
});

export const helpTools: readonly Tool[] = [listAgents, askAgent, getAnswer];

/** Looks until it is over, or the time is up. */
async function answerTo(run: OwnRun, question: string, sec: number): Promise<Row> {
  const parts = /^([0-9a-f-]{36})\/([A-Za-z0-9_:.-]{1,128})$/.exec(question);
  if (!parts) throw usageFailure("question must be as ask_agent has answered it");
  const [, agentId, wakeId] = parts;
  const giveUpAt = performance.now() + sec * 1_000;
  for (;;) {
    const answer = (await run.api.get(`/agents/${agentId}/asks/${wakeId}`)) as Row;
    const open = ["waiting", "queued", "running"].includes(String(answer["status"]));
    if (!open || performance.now() >= giveUpAt) return answer;
    await new Promise((resume) => setTimeout(resume, lookEveryMs));
  }
}
