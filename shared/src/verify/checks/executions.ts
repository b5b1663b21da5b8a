/** I14: each stored execution is the current attempt of a run that was dispatched, and each dispatched run has its execution. */
import { inspectConsumers } from "../../nats/inspection.js";
import { storedSubjects } from "../../nats/stored-messages.js";
import type { Check } from "../check.js";
import type { Evidence } from "../evidence.js";
import type { Shown } from "../report.js";
import { settled } from "../settled.js";
import type { Look } from "../settled.js";

interface Stored {
  subject: string;
  runId: string;
  attempt: number;
  copies: number;
}
interface Run {
  id: string;
  subject: string;
  phase: string;
  attempt: number;
}

async function storedExecutions({ streams, candidatesMax }: Evidence): Promise<Stored[]> {
  const { bus, subjects, names } = streams!;
  const found = await storedSubjects(bus, names.exec, subjects.executions, candidatesMax);
  return [...found].map(([subject, copies]) => {
    const [runId = "", attempt] = subject.split(".").slice(-2);
    return { subject, runId, attempt: Number(attempt), copies };
  });
}

const runsSql = (prefix: string): string =>
  `select id, '${prefix}.exec.pool.' || pool || '.' || company_id || '.' || id || '.' || attempt as subject, phase, attempt from heartbeat_runs`;

async function executionsHaveRuns(evidence: Evidence): Promise<Look> {
  const stored = await storedExecutions(evidence);
  const ids = [...new Set(stored.map(({ runId }) => runId))].filter((id) => id.length === 36);
  const prefix = evidence.streams!.subjects.prefix;
  const rows = await evidence.ask<Run>(`${runsSql(prefix)} where id = any($1::uuid[])`, [ids]);
  const runs = new Map(rows.map((row) => [row.id, row]));
  const wrong = new Map<string, Shown>();
  for (const { subject, runId, attempt, copies } of stored) {
    const run = runs.get(runId);
    const fault =
      copies > 1
        ? `stored ${copies} times`
        : !run
          ? "there is no such run"
          : run.subject !== subject
            ? `the run is at ${run.subject}`
            : run.phase !== "dispatched"
              ? `the run is ${run.phase}`
              : evidence.atRest
                ? "left at rest"
                : null;
    if (fault !== null) wrong.set(subject, { execution: subject, runId, attempt, fault });
  }
  return { looked: stored.length, wrong };
}

async function dispatchedHaveExecutions(evidence: Evidence): Promise<Look> {
  const prefix = evidence.streams!.subjects.prefix;
  const runs = await evidence.ask<Run>(
    `${runsSql(prefix)} where live and phase = 'dispatched' order by id limit ${evidence.candidatesMax}`,
  );
  const stored = new Set((await storedExecutions(evidence)).map(({ subject }) => subject));
  const missing = runs.filter(({ subject }) => !stored.has(subject));
  return {
    looked: runs.length,
    wrong: new Map(
      missing.map(({ id, subject, attempt }) => [
        `${id} ${attempt}`,
        { runId: id, attempt, fault: "dispatched, and no execution is stored", execution: subject },
      ]),
    ),
  };
}

async function nothingUnacknowledged(evidence: Evidence): Promise<Look> {
  const { bus, names } = evidence.streams!;
  const consumers = await inspectConsumers(bus, names.exec);
  return {
    looked: consumers.length,
    wrong: new Map(
      consumers
        .filter(({ pending, unacknowledged }) => pending + unacknowledged > 0)
        .map(({ name, pending, unacknowledged }) => [
          name,
          { consumer: name, pending, unacknowledged },
        ]),
    ),
  };
}

export const executionChecks: readonly Check[] = [
  {
    invariant: "I14",
    title: "a stored execution is the current attempt of a dispatched run",
    unit: "stored executions",
    needs: ["streams"],
    stage: "settling",
    run: (evidence) => settled(evidence, () => executionsHaveRuns(evidence)),
  },
  {
    invariant: "I14",
    title: "a dispatched run has its execution",
    unit: "dispatched runs",
    needs: ["streams"],
    stage: "settling",
    run: (evidence) => settled(evidence, () => dispatchedHaveExecutions(evidence)),
  },
  {
    invariant: "I14",
    title: "the queue of executions is empty at rest",
    unit: "pools",
    needs: ["streams"],
    atRest: true,
    stage: "settling",
    run: (evidence) => settled(evidence, () => nothingUnacknowledged(evidence)),
  },
];
