// Owns the sample company that a first start on an empty data directory creates: four agents whose programs are in
// examples/sample-company. Speaks HTTP alone, as any client would.
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Endpoints } from "./endpoints.js";
import { postRow, textOf } from "./http-client.js";

const repository = fileURLToPath(new URL("../../../", import.meta.url));

/** 20 s: seen twice in the first minute, and not in the way. */
const TIMEKEEPER_INTERVAL_SEC = 20;
/** A sample agent is done in seconds; whatever hangs must not hold its issue for an hour. */
const TIMEOUT_SEC = 60;

interface SampleAgent {
  readonly name: string;
  readonly title: string;
  readonly program: string;
  readonly intervalSec?: number;
  readonly permissions?: { readonly canCreateAgents: boolean };
}

const AGENTS: readonly SampleAgent[] = [
  {
    name: "Archivist",
    title: "Looks at the repository",
    program: "archivist.mjs",
    // Who assigns issues to others has to be one who may hire them.
    permissions: { canCreateAgents: true },
  },
  { name: "Builder", title: "Works on issues", program: "builder.mjs" },
  { name: "Reviewer", title: "Checks what Builder did", program: "reviewer.mjs" },
  {
    name: "Timekeeper",
    title: "Says the time",
    program: "timekeeper.mjs",
    intervalSec: TIMEKEEPER_INTERVAL_SEC,
  },
];

/** Fills a new, empty system through its public interfaces. Called once per data directory, when everything is up. */
export async function seedSample({ http }: Endpoints): Promise<void> {
  const company = await postRow(http, "/companies", {
    name: "Sample Company",
    description: "Four agents that work on this very repository; see examples/sample-company.",
  });
  let archivist = "";
  for (const agent of AGENTS) {
    const id = await createAgent(http, textOf(company, "id"), agent);
    if (agent.name === "Archivist") archivist = id;
  }
  await postRow(http, `/agents/${archivist}/wakeup`, { reason: "first look at the repository" });
}

async function createAgent(http: string, companyId: string, agent: SampleAgent): Promise<string> {
  const adapterConfig = {
    // This very Node: the one that a PATH finds may be another.
    command: process.execPath,
    args: [join(repository, "examples", "sample-company", agent.program)],
    cwd: repository,
    timeoutSec: TIMEOUT_SEC,
  };
  const created = await postRow(http, `/companies/${companyId}/agents`, {
    name: agent.name,
    title: agent.title,
    ...(agent.permissions ? { permissions: agent.permissions } : {}),
    adapterType: "process",
    adapterConfig,
    ...(agent.intervalSec
      ? { runtimeConfig: { heartbeat: { enabled: true, intervalSec: agent.intervalSec } } }
      : {}),
  });
  return textOf(created, "id");
}
