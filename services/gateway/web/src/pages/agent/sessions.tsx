/** Sessions that an agent goes on with, by task; they can be forgotten. */
import { useQueryClient } from "@tanstack/preact-query";
import { request } from "../../api/client.js";
import { useSessions } from "../../api/queries.js";
import type { Agent } from "../../api/types.js";
import { useTell } from "../../shell/toasts.js";
import { relative } from "../../view/format.js";
import { useNow } from "../../view/now.js";
import { Loaded, Section } from "../../view/parts.js";

export function Sessions({ agent }: { agent: Agent }) {
  const sessions = useSessions(agent.id);
  const client = useQueryClient();
  const tell = useTell();
  const now = useNow();
  const forget = async (taskKey: string): Promise<void> => {
    try {
      await request("POST", `/agents/${agent.id}/runtime-state/reset-session`, { taskKey });
      tell.done("The session is forgotten; the next run of its task starts a new one");
    } catch (error) {
      tell.failed("The session was not forgotten", error);
    }
    void client.invalidateQueries({ queryKey: ["agent", agent.id] });
  };
  return (
    <Section title="Sessions">
      <Loaded of={sessions}>
        {(found) =>
          found.length === 0 ? (
            <p class="faint pad">None: each run starts anew.</p>
          ) : (
            <ul class="plain">
              {found.map(({ id, taskKey, sessionDisplayId, updatedAt }) => (
                <li key={id}>
                  <span>
                    <strong>{taskKey}</strong>
                    <small class="mono">
                      {sessionDisplayId ?? "–"} · {relative(updatedAt, now)}
                    </small>
                  </span>
                  <button type="button" class="quiet" onClick={() => void forget(taskKey)}>
                    Forget
                  </button>
                </li>
              ))}
            </ul>
          )
        }
      </Loaded>
    </Section>
  );
}
