/** One run: its log as it is written, its course, what it used; and its cancel. */
import { useQueryClient } from "@tanstack/preact-query";
import { useState } from "preact/hooks";
import { request } from "../../api/client.js";
import { useAgent, useRun } from "../../api/queries.js";
import type { Run, RunDetail } from "../../api/types.js";
import { isLive } from "../../live/live-state.js";
import { LogView } from "../../log/log-view.js";
import { useKeys } from "../../shell/keyboard.js";
import { Link } from "../../shell/router.js";
import { useTell } from "../../shell/toasts.js";
import { between, clockTime, dateTime, duration, shortId } from "../../view/format.js";
import { useNow } from "../../view/now.js";
import { Loaded, Section, StatusBadge } from "../../view/parts.js";
import { WakeDialog } from "../agent/wake-dialog.js";
import { RunFacts, RunUsage } from "./run-facts.js";
import { timeline } from "./timeline.js";
import { useRunEvents } from "./use-run-events.js";

export function RunPage({ companyId, runId }: { companyId: string; runId: string }) {
  const run = useRun(runId);
  return <Loaded of={run}>{(found) => <Shown companyId={companyId} run={found} />}</Loaded>;
}

function Shown({ companyId, run }: { companyId: string; run: RunDetail }) {
  return (
    <div class="run">
      <RunHead companyId={companyId} run={run} />
      <div class="columns">
        <LogView runId={run.id} live={isLive(run.status)} />
        <div class="stack">
          <Course run={run} />
          <RunUsage run={run} />
          <RunFacts companyId={companyId} run={run} />
        </div>
      </div>
    </div>
  );
}

function RunHead({ companyId, run }: { companyId: string; run: RunDetail }) {
  const now = useNow();
  const agent = useAgent(run.agentId);
  const [waking, setWaking] = useState(false);
  useKeys({ w: () => setWaking(agent.data !== undefined) });
  return (
    <header class="page-head">
      <div>
        <p class="trail">
          <Link href={`/${companyId}/agents/${run.agentId}`}>
            {agent.data?.name ?? shortId(run.agentId)}
          </Link>{" "}
          / run
        </p>
        <h1>
          <span class="mono">{shortId(run.id)}</span> <StatusBadge status={run.status} />
          <small>
            {run.startedAt ? between(run.startedAt, run.finishedAt, now) : "not started"}
          </small>
        </h1>
        {run.error ? (
          <p class="bad-text">
            {run.errorCode ? <strong>{run.errorCode.replaceAll("_", " ")}: </strong> : null}
            {run.error}
          </p>
        ) : null}
        <CancelProgress run={run} now={now} />
      </div>
      <div class="actions">
        {agent.data ? (
          <button type="button" onClick={() => setWaking(true)}>
            Wake again
          </button>
        ) : null}
        {isLive(run.status) ? <CancelButton run={run} /> : null}
      </div>
      {waking && agent.data ? (
        <WakeDialog agent={agent.data} onClose={() => setWaking(false)} />
      ) : null}
    </header>
  );
}

/** A cancel is answered when the last process is dead, so its button waits for as long. */
function CancelButton({ run }: { run: RunDetail }) {
  const client = useQueryClient();
  const tell = useTell();
  const [asked, setAsked] = useState(false);
  const key = ["run", run.id];
  const cancel = async (): Promise<void> => {
    setAsked(true);
    const shown = new Date().toISOString();
    client.setQueryData<RunDetail>(
      key,
      (now) => now && { ...now, cancelRequestedAt: now.cancelRequestedAt ?? shown },
    );
    try {
      const { status } = await request<Run>("POST", `/heartbeat-runs/${run.id}/cancel`);
      if (isLive(status)) tell.done("The cancel is on its way; the processes are not dead yet");
    } catch (error) {
      client.setQueryData<RunDetail>(
        key,
        (now) => now && { ...now, cancelRequestedAt: run.cancelRequestedAt },
      );
      tell.failed("The run was not cancelled", error);
      setAsked(false);
    }
    void client.invalidateQueries({ queryKey: key });
  };
  return (
    <button
      type="button"
      class="danger"
      disabled={asked || run.cancelRequestedAt !== null}
      onClick={() => void cancel()}
    >
      {run.cancelRequestedAt === null ? "Cancel" : "Cancelling …"}
    </button>
  );
}

/** Asked, dying, dead. */
function CancelProgress({ run, now }: { run: RunDetail; now: number }) {
  if (run.cancelRequestedAt === null) return null;
  const dead = !isLive(run.status);
  const took = between(run.cancelRequestedAt, run.finishedAt, now);
  return (
    <ol class="progress" aria-label="Cancel">
      <li class="reached" title={dateTime(run.cancelRequestedAt)}>
        Asked {clockTime(run.cancelRequestedAt)}
      </li>
      <li class="reached">SIGTERM{dead ? "" : `, then SIGKILL after the grace · ${took}`}</li>
      <li class={dead ? "reached" : ""}>{dead ? `Dead after ${took}` : "Dead"}</li>
    </ol>
  );
}

function Course({ run }: { run: RunDetail }) {
  const events = useRunEvents(run.id);
  const steps = timeline(run, events);
  return (
    <Section title="Course">
      <ol class="course">
        {steps.map(({ key, at, name, detail, level, tookMs }) => (
          <li key={key} class={level}>
            <time dateTime={at} title={dateTime(at)}>
              {clockTime(at)}
            </time>
            <div>
              <strong>{name}</strong>
              {detail === "" ? null : <p>{detail}</p>}
            </div>
            <span class="number faint">{tookMs === null ? "" : duration(tookMs)}</span>
          </li>
        ))}
      </ol>
    </Section>
  );
}
