// The Timekeeper is woken by its timer and says what the time is and what the company has been doing.
import { call, run, say } from "./company-api.mjs";

/** The newest runs that are counted: the API's largest page. */
const runsMax = 1_000;

const [agents, runs, issues] = await Promise.all([
  call("GET", `/companies/${run.companyId}/agents`),
  call("GET", `/companies/${run.companyId}/heartbeat-runs?limit=${runsMax}`),
  call("GET", `/companies/${run.companyId}/issues`),
]);
const by = (rows) =>
  Object.entries(
    rows.reduce((counts, { status }) => ({ ...counts, [status]: (counts[status] ?? 0) + 1 }), {}),
  )
    .map(([status, n]) => `${n} ${status}`)
    .join(", ") || "none";
say(`${new Date().toISOString().slice(11, 19)} UTC (${run.wakeReason})`);
say(`${agents.length} agents; runs: ${by(runs)}; issues: ${by(issues)}`);
