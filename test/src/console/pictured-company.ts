// Owns a company for pictures of the console: agents at work, one in trouble, one who waits for an issue. Speaks HTTP alone.

/** Prints a report in colour, on both streams, for a minute. */
const reporting = `
const e = "\\u001b[", off = e + "0m";
console.log(e + "1m== building the report" + off);
let part = 0;
const timer = setInterval(() => {
  part += 1;
  if (part % 7 === 0) console.error(e + "33mwarning" + off + ": the cache is cold for part " + part);
  else if (part % 11 === 0) console.log(e + "31m\\u2717 check " + part + " failed" + off + ", tried again");
  else console.log(e + "32m\\u2713" + off + " part " + part + " of 400 " + e + "2m(" + (part * 13) % 97 + " ms)" + off + "  " + e + "36msrc/part-" + part + ".ts" + off);
  if (part === 400) clearInterval(timer);
}, 150);`;
const failing = "console.error('no credentials for production'); process.exit(3)";

export interface PicturedCompany {
  companyId: string;
  agentId: string;
  runId: string;
  issueId: string;
}

/** @param api base URL, with `/api`. @throws Error when the API refuses. */
export async function makePicturedCompany(api: string): Promise<PicturedCompany> {
  const post = async (path: string, body: object): Promise<string> => {
    const response = await fetch(api + path, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body),
      signal: AbortSignal.timeout(20_000),
    });
    const answer = (await response.json()) as { id?: string; error?: string };
    if (!response.ok) throw new Error(`${path}: ${answer.error ?? response.status}`);
    return String(answer.id);
  };
  const companyId = await post("/companies", { name: "North Harbour", budgetMonthlyCents: 20_000 });
  const agent = (name: string, title: string, program: string, cents = 0) =>
    post(`/companies/${companyId}/agents`, {
      name,
      title,
      adapterType: "process",
      budgetMonthlyCents: cents,
      adapterConfig: { command: process.execPath, args: ["-e", program] },
      runtimeConfig: { heartbeat: { maxConcurrentRuns: 2 } },
    });
  const analyst = await agent("Analyst", "Builds the quarterly report", reporting, 5_000);
  const scribe = await agent("Scribe", "Writes what the numbers say", reporting, 5_000);
  const forecaster = await agent("Forecaster", "Looks ahead", reporting, 2_500);
  const deployer = await agent("Deployer", "Ships what is ready", failing);
  await agent("Librarian", "Keeps the archive", "0");
  const issue = (title: string, more: object) =>
    post(`/companies/${companyId}/issues`, { title, ...more });
  const issueId = await issue("Quarterly report", {
    status: "todo",
    description: "The quarter in numbers, with charts.",
  });
  await issue("Move the archive", { status: "backlog", priority: "low" });
  await issue("A check that fails at night", { status: "blocked", priority: "high" });
  await issue("Rename the harbour's ships", { status: "done" });
  const wake = (id: string, payload: object) =>
    post(`/agents/${id}/wakeup`, { reason: "by a person", payload });
  await wake(deployer, {});
  const runId = await wake(analyst, { issueId });
  await wake(scribe, { issueId });
  for (const taskKey of ["winter", "spring", "summer"]) await wake(forecaster, { taskKey });
  const cost = { provider: "example", model: "example-1", occurredAt: new Date().toISOString() };
  const spent = (agentId: string, costCents: number) =>
    post(`/companies/${companyId}/cost-events`, {
      ...cost,
      agentId,
      costCents,
      inputTokens: costCents * 900,
      outputTokens: costCents * 40,
    });
  await spent(analyst, 4_210);
  await spent(scribe, 730);
  return { companyId, agentId: analyst, runId, issueId };
}
