/** All tools of a running agent, as `reveille my` and `reveille mcp` have them. */
import { helpTools } from "./help-tools.js";
import { issueTools } from "./issue-tools.js";
import { resultTools } from "./result-tools.js";
import type { Tool } from "./tool.js";

export const agentTools: readonly Tool[] = [...issueTools, ...helpTools, ...resultTools];

/** @throws Error for a name that is none of them: the caller's own mistake. */
export function toolNamed(name: string): Tool {
  const found = agentTools.find((tool) => tool.name === name);
  if (!found) throw new Error(`no tool ${name}`);
  return found;
}
