/** The cached questions to the API, each under one key: the first parts say what an event about it makes old (`live/refresh.ts`). */
import { useQuery } from "@tanstack/preact-query";
import type { QueryClient } from "@tanstack/preact-query";
import { request, setCsrfToken } from "./client.js";
import type {
  Agent,
  AgentCost,
  BrowserSession,
  Company,
  CostSummary,
  DeadLetter,
  Issue,
  IssueComment,
  IssueLock,
  IssueRun,
  Mailbox,
  Page,
  Partitions,
  Run,
  RunDetail,
  Runner,
  RunnerPool,
  Session,
  WakeRequest,
} from "./types.js";

/** How often is asked for what no event tells. */
const unannouncedMs = 5_000;
/** Who begins to wait for a held issue is told by no event. */
const heldLockMs = 1_000;
/** Timers and spend of many agents: their list is up to 10 MB. */
const agentsMs = (count: number): number => (count <= 500 ? 10_000 : 60_000);

const useGet = <T>(key: readonly string[], path: string, everyMs?: number) =>
  useQuery({
    queryKey: key,
    queryFn: () => request<T>("GET", path),
    ...(everyMs === undefined ? {} : { refetchInterval: everyMs }),
  });

const sessionQuery = {
  queryKey: ["session"],
  queryFn: async () => {
    const session = await request<BrowserSession>("GET", "/session");
    setCsrfToken(session.csrfToken);
    return session;
  },
};
const companiesQuery = {
  queryKey: ["companies"],
  queryFn: () => request<Company[]>("GET", "/companies"),
};
const agentsQuery = (companyId: string) => ({
  queryKey: ["company", companyId, "agents"],
  queryFn: () => request<Agent[]>("GET", `/companies/${companyId}/agents`),
});

/** Asks at once for what every page needs, instead of one after the other. @param companyId as the address has it. */
export function askFirst(client: QueryClient, companyId: string | undefined): void {
  void client.prefetchQuery(sessionQuery);
  void client.prefetchQuery(companiesQuery);
  if (companyId !== undefined) void client.prefetchQuery(agentsQuery(companyId));
}

/** Before anything else: who has no session sees nothing, and what changes something needs its token. */
export const useSession = () => useQuery(sessionQuery);
export const useCompanies = () => useQuery(companiesQuery);

export const useAgents = (companyId: string) =>
  useQuery({
    ...agentsQuery(companyId),
    refetchInterval: ({ state }) => agentsMs(state.data?.length ?? 0),
  });
/** The newest runs of a company, live or over. */
export const useRecentRuns = (companyId: string) =>
  useGet<Run[]>(["company", companyId, "runs"], `/companies/${companyId}/heartbeat-runs?limit=200`);
export const useWakes = (companyId: string) =>
  useGet<Page<WakeRequest>>(
    ["company", companyId, "wakes"],
    `/companies/${companyId}/wake-requests?limit=200`,
  );
export const useIssues = (companyId: string) =>
  useGet<Issue[]>(["company", companyId, "issues"], `/companies/${companyId}/issues`);
export const useCosts = (companyId: string) =>
  useGet<CostSummary>(
    ["company", companyId, "costs"],
    `/companies/${companyId}/costs/summary`,
    unannouncedMs,
  );
export const useAgentCosts = (companyId: string) =>
  useGet<AgentCost[]>(
    ["company", companyId, "costs", "agents"],
    `/companies/${companyId}/costs/by-agent`,
    unannouncedMs,
  );
export const useDeadLetters = (companyId: string) =>
  useGet<Page<DeadLetter>>(
    ["company", companyId, "dead-letters"],
    `/dead-letters?companyId=${companyId}&limit=200`,
    unannouncedMs,
  );

export const useAgent = (agentId: string) =>
  useGet<Agent>(["agent", agentId], `/agents/${agentId}`);
export const useMailbox = (agentId: string) =>
  useGet<Mailbox>(["agent", agentId, "mailbox"], `/agents/${agentId}/mailbox`, unannouncedMs);
export const useAgentRuns = (companyId: string, agentId: string) =>
  useGet<Run[]>(
    ["agent", agentId, "runs"],
    `/companies/${companyId}/heartbeat-runs?agentId=${agentId}&limit=100`,
  );
export const useAgentWakes = (agentId: string) =>
  useGet<Page<WakeRequest>>(
    ["agent", agentId, "wakes"],
    `/agents/${agentId}/wake-requests?limit=50`,
  );
export const useSessions = (agentId: string) =>
  useGet<Session[]>(["agent", agentId, "sessions"], `/agents/${agentId}/task-sessions`);
export const useConfiguration = (agentId: string) =>
  useGet<Pick<Agent, "adapterType" | "adapterConfig" | "runtimeConfig">>(
    ["agent", agentId, "configuration"],
    `/agents/${agentId}/configuration`,
  );

export const useRun = (runId: string) =>
  useGet<RunDetail>(["run", runId], `/heartbeat-runs/${runId}`);
export const useIssue = (issueId: string) =>
  useGet<Issue>(["issue", issueId], `/issues/${issueId}`);
export const useIssueLock = (issueId: string) =>
  useQuery({
    queryKey: ["issue", issueId, "lock"],
    queryFn: () => request<IssueLock>("GET", `/issues/${issueId}/lock`),
    refetchInterval: ({ state }) => (state.data?.holder ? heldLockMs : unannouncedMs),
  });
export const useComments = (issueId: string) =>
  useGet<IssueComment[]>(["issue", issueId, "comments"], `/issues/${issueId}/comments`);
export const useIssueRuns = (issueId: string) =>
  useGet<IssueRun[]>(["issue", issueId, "runs"], `/issues/${issueId}/runs`);

export const useRunners = () =>
  useGet<{ runners: Runner[]; unread: number }>(["system", "runners"], "/runners", unannouncedMs);
export const usePools = () =>
  useGet<{ pools: RunnerPool[] }>(["system", "pools"], "/pools", unannouncedMs);
export const usePartitions = () =>
  useGet<Partitions>(["system", "partitions"], "/partitions", unannouncedMs);
