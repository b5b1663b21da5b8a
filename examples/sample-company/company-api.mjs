// What the sample agents share: calling Reveille's HTTP API as the agent that this process is. Plain Node, nothing to install.
// A run's environment says where the API is, who the agent is and what it was woken for.

/** Facts of this run. `issueId` is absent when the run is about no issue. */
export const run = {
  apiUrl: process.env.REVEILLE_API_URL ?? "http://127.0.0.1:3100",
  companyId: process.env.REVEILLE_COMPANY_ID ?? "",
  agentId: process.env.REVEILLE_AGENT_ID ?? "",
  runId: process.env.REVEILLE_RUN_ID ?? "",
  issueId: process.env.REVEILLE_TASK_ID,
  wakeReason: process.env.REVEILLE_WAKE_REASON ?? "on demand",
};

/** 10 s: the API answers in milliseconds; an agent that hangs on it would hold its issue for nothing. */
const timeoutMs = 10_000;

/** One call; throws with the API's own words when it says no. */
export async function call(method, path, body) {
  const response = await fetch(`${run.apiUrl}/api${path}`, {
    method,
    signal: AbortSignal.timeout(timeoutMs),
    headers: {
      "content-type": "application/json",
      "x-reveille-run-id": run.runId,
      // The run's own token: what is written with it is this agent's, in this run.
      ...(process.env.REVEILLE_API_KEY
        ? { authorization: `Bearer ${process.env.REVEILLE_API_KEY}` }
        : {}),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const answer = await response.json().catch(() => undefined);
  if (response.ok) return answer;
  throw new Error(`${method} ${path}: ${response.status} ${JSON.stringify(answer)}`);
}

export const say = (text) => console.log(text);
