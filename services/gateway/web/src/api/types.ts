/** What the public API answers with, as far as the console shows it. Knows no request. Money is in cents, times are ISO 8601. */

type Status = string;
export interface BrowserSession {
  mode: "local_trusted" | "authenticated";
  signedIn: boolean;
  /** Null: nobody logs in here. */
  csrfToken: string | null;
}
export interface Company {
  id: string;
  name: string;
  status: Status;
  issuePrefix: string;
  budgetMonthlyCents: number;
  spentMonthlyCents: number;
}
export interface Agent {
  id: string;
  companyId: string;
  name: string;
  title: string | null;
  role: string;
  status: Status;
  adapterType: string;
  adapterConfig: Record<string, unknown>;
  runtimeConfig: Record<string, unknown>;
  budgetMonthlyCents: number;
  spentMonthlyCents: number;
  nextTimerAt: string | null;
  lastHeartbeatAt: string | null;
  createdAt: string;
  updatedAt: string;
}
export interface Usage {
  inputTokens?: number;
  outputTokens?: number;
  cachedInputTokens?: number;
  costUsd?: number;
  model?: string;
  provider?: string;
}
export interface Run {
  id: string;
  companyId: string;
  agentId: string;
  invocationSource: string;
  triggerDetail: string | null;
  status: Status;
  createdAt: string;
  startedAt: string | null;
  finishedAt: string | null;
  error: string | null;
  errorCode: string | null;
  exitCode: number | null;
  signal: string | null;
  usageJson: Usage | null;
  resultJson: Record<string, unknown> | null;
  sessionIdBefore: string | null;
  sessionIdAfter: string | null;
  logBytes: number | null;
  contextSnapshot: Record<string, unknown> | null;
  attempt?: number;
  retryOfRunId?: string | null;
}
export interface RunDetail extends Run {
  issueId: string | null;
  taskKey: string | null;
  pool: string;
  runnerId: string | null;
  containment: string | null;
  logCut: string | null;
  losses: number;
  cancelRequestedAt: string | null;
  dispatchedAt: string | null;
}
export interface RunEvent {
  runId: string;
  agentId: string;
  seq: number;
  eventType: string;
  level: string | null;
  message: string | null;
  payload: Record<string, unknown> | null;
  createdAt: string;
}
export interface QueuedRun {
  runId: string;
  status: Status;
  phase: string;
  waitsFor: "slot" | "issue" | "delay" | "agent" | "runner" | "none";
  reason: string | null;
  pool: string;
  issueId: string | null;
  taskKey: string | null;
  attempt: number;
  createdAt: string;
  notBefore: string | null;
  startedAt: string | null;
  cancelRequestedAt: string | null;
}
export interface Mailbox {
  agentId: string;
  status: Status;
  partition: number;
  undecided: { sequence: number; kind: string; storedAt: string }[];
  slots: { max: number; used: number };
  runs: QueuedRun[];
  deferred: {
    wakeRequestId: string;
    issueId: string | null;
    reason: string | null;
    coalescedCount: number;
    requestedAt: string;
  }[];
  schedule: {
    kind: "none" | "interval" | "cron";
    periodMs?: number;
    cron?: string;
    timezone?: string;
    catchUp: "once" | "skip";
    nextTimerAt: string | null;
  };
}
export interface WakeRequest {
  id: string;
  agentId: string;
  source: string;
  reason: string | null;
  status: Status;
  error: string | null;
  runId: string | null;
  issueId: string | null;
  coalescedCount: number;
  requestedAt: string;
  wakeId: string;
}
export interface Session {
  id: string;
  taskKey: string;
  adapterType: string;
  sessionDisplayId: string | null;
  lastRunId: string | null;
  lastError: string | null;
  updatedAt: string;
}
/** What a wake over HTTP is answered with: a run, or why there is none. */
export type Woken =
  | Run
  | { status: "skipped"; outcome: string; reason?: string; wakeId: string }
  | { status: "accepted"; wakeId: string };
export interface Issue {
  id: string;
  identifier: string | null;
  title: string;
  description: string | null;
  status: Status;
  priority: string;
  assigneeAgentId: string | null;
  createdAt: string;
  updatedAt: string;
}
export interface IssueLock {
  issueId: string;
  lock: { revision: number } | null;
  holder: {
    runId: string;
    agentId: string;
    agentName: string | null;
    status: string;
    phase: string;
    since: string | null;
  } | null;
  waiters: {
    kind: "wake" | "run";
    wakeRequestId: string | null;
    runId: string | null;
    agentId: string;
    agentName: string | null;
    agentStatus: string | null;
    requestedAt: string;
  }[];
}
export interface IssueComment {
  id: string;
  body: string;
  authorAgentId: string | null;
  authorUserId: string | null;
  createdAt: string;
}
export interface IssueRun {
  runId: string;
  status: Status;
  agentId: string;
  startedAt: string | null;
  finishedAt: string | null;
  createdAt: string;
}
export interface DeadLetter {
  id: number;
  companyId: string | null;
  agentId: string | null;
  kind: string;
  stage: string;
  reason: string;
  createdAt: string;
  payloadBase64?: string | null;
}
export interface Page<T> {
  items: T[];
  next: string | null;
}
export interface Runner {
  incarnation: string;
  runnerId: string;
  pool: string;
  hostname: string;
  pid: number;
  version: string;
  slots: number;
  draining: boolean;
  containment: string;
  startedAt: string;
  adapters: string[];
  runs: { runId: string; attempt: number }[];
}
export interface RunnerPool {
  pool: string;
  configured: boolean;
  waiting: number;
  running: number;
  demand: number;
  runners: number;
  slots: number;
  reason: string | null;
}
export interface Partitions {
  generation: number;
  partitionCount: number;
  keeper: string | null;
  hosts: { id: string; version: string; startedAt: string; leaseMs: number; partitions: number }[];
  partitions: {
    partition: number;
    owner: string | null;
    epoch: number;
    cursor: number;
    nextSequence: number | null;
    lagMs: number | null;
  }[];
}
export interface CostSummary {
  spendCents: number;
  budgetCents: number;
  utilizationPercent: number;
}
export interface AgentCost {
  agentId: string;
  agentName: string | null;
  costCents: number;
  inputTokens: number;
  outputTokens: number;
  apiRunCount: number;
  subscriptionRunCount: number;
}
