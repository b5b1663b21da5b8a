/** Bodies of the main routes as a client would send them, by method and path. A test holds each against its route's schema. */

export const bodyExamples: Readonly<Record<string, Readonly<Record<string, unknown>>>> = {
  "POST /api/companies": {
    small: { name: "Acme", budgetMonthlyCents: 50_000 },
  },
  "POST /api/companies/:companyId/agents": {
    command: {
      name: "Archivist",
      role: "engineer",
      adapterType: "process",
      adapterConfig: { command: "/usr/local/bin/archive", args: ["--all"], timeoutSec: 600 },
      runtimeConfig: {
        heartbeat: { intervalSec: 3_600, maxConcurrentRuns: 1 },
        runner: { pool: "default" },
      },
    },
    everyWorkday: {
      name: "Reporter",
      adapterType: "http",
      adapterConfig: { url: "https://agents.example.com/report", timeoutMs: 30_000 },
      runtimeConfig: { heartbeat: { cron: "0 8 * * 1-5", timezone: "Europe/Berlin" } },
    },
  },
  "POST /api/companies/:companyId/issues": {
    assigned: {
      title: "Sort the archive",
      description: "Oldest first.",
      status: "todo",
      priority: "high",
      assigneeAgentId: "3f0c9f5e-6f0a-4a57-9d8e-0d9c8a0f9b11",
    },
  },
  "POST /api/issues/:issueId/comments": {
    reopening: { body: "One box is missing, @Archivist.", reopen: true },
  },
  "POST /api/agents/:agentId/wakeup": {
    manual: { source: "on_demand", triggerDetail: "manual", reason: "look_again" },
    forAnIssue: {
      source: "automation",
      triggerDetail: "callback",
      reason: "build_failed",
      payload: { issueId: "8d0b6b1e-7f35-4c59-8a44-1c6d5a2f7e02" },
      idempotencyKey: "build-4711",
    },
  },
  "POST /api/heartbeat-runs/:runId/report": {
    onTheWay: { usage: { inputTokens: 1_200, outputTokens: 340 }, costUsd: 0.0123 },
    lastWord: { final: true, summary: "Sorted 14 boxes.", sessionId: "archive-2026-11" },
  },
  "POST /api/board-tokens": {
    ofOneCompany: {
      name: "deploy pipeline",
      companyId: "5a1f7c2e-91b4-4a86-b5a0-64f2a7b1c903",
      expiresAt: "2030-01-01T00:00:00Z",
    },
  },
};
