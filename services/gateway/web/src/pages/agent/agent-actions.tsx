/** Pause and resume of an agent: shown at once, taken back with the reason when they are refused. */
import { useQueryClient } from "@tanstack/preact-query";
import { request } from "../../api/client.js";
import type { Agent } from "../../api/types.js";
import { useLive } from "../../live/live.js";
import { useTell } from "../../shell/toasts.js";

type Verb = "pause" | "resume";

export function useAgentAction(
  companyId: string,
): (agent: { id: string; name: string }, verb: Verb) => Promise<void> {
  const client = useQueryClient();
  const tell = useTell();
  const { state } = useLive();
  return async (agent, verb) => {
    const key = ["company", companyId, "agents"];
    const status = verb === "pause" ? "paused" : "idle";
    const before = client.getQueryData<Agent[]>(key);
    const known = state.agents.get(agent.id);
    const show = (shown: string): void => {
      client.setQueryData<Agent[]>(key, (all) =>
        all?.map((each) => (each.id === agent.id ? { ...each, status: shown } : each)),
      );
      if (known) state.agents.set(agent.id, { ...known, status: shown });
    };
    show(status);
    try {
      const answer = await request<Agent>("POST", `/agents/${agent.id}/${verb}`);
      show(answer.status);
      tell.done(`${agent.name} is ${answer.status}`);
    } catch (error) {
      show(known?.status ?? before?.find(({ id }) => id === agent.id)?.status ?? "idle");
      tell.failed(`${agent.name} was not ${verb === "pause" ? "paused" : "resumed"}`, error);
    }
    void client.invalidateQueries({ queryKey: ["agent", agent.id] });
  };
}
