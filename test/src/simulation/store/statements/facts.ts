// Owns the statements that a batch reads its facts with: verdicts, issues, task sessions, costs.
import type { Handler } from "../store.js";
import { recordsOf, toDriver } from "../value.js";
import { answer, listOf } from "./parameters.js";

const readVerdicts: Handler = ({ tables }, values) => {
  const asked = recordsOf(values[0]);
  const same = asked.flatMap(({ agentId, wakeId }) => {
    const row = tables.wake_verdicts.get(agentId, wakeId);
    if (!row) return [];
    const { agent_id, wake_id: id } = row;
    return [{ by: "wake", agent_id, id, verdict: toDriver("jsonb", row.verdict), run: null }];
  });
  const owners = asked.flatMap(({ agentId, key }) =>
    key === null || key === undefined
      ? []
      : tables.wake_verdicts.by("wake_verdicts_idempotency_key", agentId, key).map((row) => {
          const run = row.run_id === null ? undefined : tables.heartbeat_runs.get(row.run_id);
          return {
            by: "key",
            agent_id: row.agent_id,
            id: row.idempotency_key,
            verdict: toDriver("jsonb", row.verdict),
            run: run ? tables.heartbeat_runs.json(run) : null,
          };
        }),
  );
  return answer([...same, ...owners]);
};

const readIssues: Handler = ({ tables }, values) =>
  answer(
    [...new Set(listOf<string>(values, 0))].flatMap((id) => {
      const issue = tables.issues.get(id);
      return issue
        ? [{ id: issue.id, companyId: issue.company_id, projectId: issue.project_id }]
        : [];
    }),
  );

const readSessions: Handler = ({ tables }, values) => {
  const asked = new Map(
    recordsOf(values[0]).map(({ agentId, taskKey }) => [
      JSON.stringify([agentId, taskKey]),
      { agentId, taskKey },
    ]),
  );
  return answer(
    [...asked.values()].flatMap(({ agentId, taskKey }) => {
      const agent = tables.agents.get(agentId);
      if (!agent) return [];
      return tables.agent_task_sessions
        .by("of_agent", agent.id)
        .filter((row) => row.company_id === agent.company_id && row.task_key === taskKey)
        .map((row) => ({
          agent_id: row.agent_id,
          adapter_type: row.adapter_type,
          task_key: row.task_key,
          params: toDriver("jsonb", row.session_params_json),
          displayId: row.session_display_id,
        }));
    }),
  );
};

const readCosts: Handler = ({ tables }, values) =>
  answer(
    [...new Set(listOf<string>(values, 0))]
      .filter((id) => tables.cost_events.get(id))
      .map((id) => ({ id })),
  );

export const factHandlers: Record<string, Handler> = {
  batch_verdicts: readVerdicts,
  batch_issues: readIssues,
  batch_sessions: readSessions,
  batch_costs: readCosts,
};
