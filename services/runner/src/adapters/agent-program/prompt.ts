/**
 * Prompts out of templates: `{{agent.name}}`, `{{context.x.y}}` and their kind become what they name,
 * whatever is not there becomes nothing. Pure.
 */
import type { AdapterContext } from "../../adapter.js";

/** UTF-16 units: four times what a message may bring (512 KiB of context), far below what a program reads. */
export const promptCharsMax = 2 * 1024 * 1024;

/** What an agent is told when its configuration says nothing. */
export const defaultPromptTemplate = `You are {{agent.name}}, agent {{agent.id}} of company {{companyId}}.
You were woken because of: {{context.wakeReason}}. Your task: {{run.taskKey}}.
The variables REVEILLE_* of your environment say where your workspace and the API are. Go on with your work.`;

const placeholder = /\{\{\s*([A-Za-z0-9_.-]{1,200})\s*\}\}/g;

/** Names of the reference: `agent.id`, `agent.name`, `companyId`, `runId`, `context.*`; and near spellings of them. */
export function promptValues({ agent, run }: Pick<AdapterContext, "agent" | "run">) {
  const { id, companyId, taskKey, issueId, attempt, context } = run;
  return {
    agentId: agent.id,
    companyId,
    runId: id,
    agent: { id: agent.id, name: agent.name, companyId },
    company: { id: companyId },
    run: { id, attempt, taskKey, issueId },
    context,
  };
}

/** The text with its placeholders filled in. */
export const renderTemplate = (template: string, values: object): string =>
  template.replace(placeholder, (_, path: string) => shown(lookUp(values, path.split("."))));

function lookUp(values: object, path: readonly string[]): unknown {
  let value: unknown = values;
  for (const name of path) {
    if (typeof value !== "object" || value === null || !Object.hasOwn(value, name)) return null;
    value = (value as Record<string, unknown>)[name];
  }
  return value;
}

function shown(value: unknown): string {
  if (value === null || value === undefined) return "";
  if (typeof value === "string") return value;
  return JSON.stringify(value) ?? "";
}
