/** One agent: its queue in order and why each part of it waits, runs, wakes, sessions, configuration. */
import { useState } from "preact/hooks";
import type { PageProps } from "../../app.js";
import {
  useAgent,
  useAgentRuns,
  useAgentWakes,
  useConfiguration,
  useMailbox,
} from "../../api/queries.js";
import type { Agent } from "../../api/types.js";
import { useLive } from "../../live/live.js";
import { useKeys } from "../../shell/keyboard.js";
import { Link } from "../../shell/router.js";
import { money, relative } from "../../view/format.js";
import { useNow } from "../../view/now.js";
import { Bar, Empty, Facts, Loaded, Section, StatusBadge } from "../../view/parts.js";
import { Json } from "../run/run-facts.js";
import { RunList } from "../run/run-list.js";
import { WakeList } from "../system/wake-list.js";
import { useAgentAction } from "./agent-actions.js";
import { Queue, scheduleText } from "./queue.js";
import { Sessions } from "./sessions.js";
import { WakeDialog } from "./wake-dialog.js";

export function AgentPage({ company, id }: PageProps) {
  const agent = useAgent(id);
  return (
    <Loaded of={agent}>
      {(found) => (
        <>
          <AgentHead agent={found} />
          <div class="columns">
            <div class="stack">
              <Queue companyId={company.id} agentId={found.id} />
              <AgentRuns companyId={company.id} agentId={found.id} />
              <AgentWakes companyId={company.id} agentId={found.id} />
            </div>
            <div class="stack">
              <AgentFacts agent={found} />
              <Sessions agent={found} />
              <Configuration agentId={found.id} />
            </div>
          </div>
        </>
      )}
    </Loaded>
  );
}

function AgentHead({ agent }: { agent: Agent }) {
  const { state } = useLive();
  const act = useAgentAction(agent.companyId);
  const [waking, setWaking] = useState(false);
  const status = state.agents.get(agent.id)?.status ?? agent.status;
  const paused = status === "paused";
  useKeys({ w: () => setWaking(true) });
  return (
    <header class="page-head">
      <div>
        <p class="trail">
          <Link href={`/${agent.companyId}`}>Fleet</Link> / agent
        </p>
        <h1>
          {agent.name} <StatusBadge status={status} />
          <small>{agent.title ?? ""}</small>
        </h1>
      </div>
      <div class="actions">
        <button type="button" onClick={() => void act(agent, paused ? "resume" : "pause")}>
          {paused ? "Resume" : "Pause"}
        </button>
        <button type="button" class="primary" onClick={() => setWaking(true)}>
          Wake …
        </button>
      </div>
      {waking ? <WakeDialog agent={agent} onClose={() => setWaking(false)} /> : null}
    </header>
  );
}

function AgentFacts({ agent }: { agent: Agent }) {
  const now = useNow();
  const mailbox = useMailbox(agent.id).data;
  const { spentMonthlyCents: spent, budgetMonthlyCents: budget } = agent;
  const next = mailbox?.schedule.nextTimerAt ?? agent.nextTimerAt;
  return (
    <Section title="Facts">
      <Facts
        of={[
          ["Adapter", agent.adapterType],
          ["Slots", mailbox ? `${mailbox.slots.used} of ${mailbox.slots.max} taken` : "–"],
          ["Timer", mailbox ? scheduleText(mailbox.schedule) : "–"],
          ["Next timer", relative(next, now)],
          ["Last heartbeat", relative(agent.lastHeartbeatAt, now)],
          [
            "This month",
            <>
              {money(spent)}
              {budget > 0 ? (
                <>
                  {" "}
                  of {money(budget)}{" "}
                  <Bar value={spent} max={budget} label={`${money(spent)} of ${money(budget)}`} />
                </>
              ) : null}
            </>,
          ],
          ["Partition", mailbox?.partition],
          ["Id", <span class="mono">{agent.id}</span>],
        ]}
      />
    </Section>
  );
}

function AgentRuns({ companyId, agentId }: { companyId: string; agentId: string }) {
  const runs = useAgentRuns(companyId, agentId);
  return (
    <Section title="Runs">
      <Loaded of={runs}>
        {(found) =>
          found.length === 0 ? (
            <Empty title="It has never run" />
          ) : (
            <RunList companyId={companyId} runs={found} />
          )
        }
      </Loaded>
    </Section>
  );
}

function AgentWakes({ companyId, agentId }: { companyId: string; agentId: string }) {
  const wakes = useAgentWakes(agentId);
  return (
    <Section title="Wakes">
      <Loaded of={wakes}>
        {({ items }) =>
          items.length === 0 ? (
            <Empty title="Nobody has woken it" />
          ) : (
            <WakeList companyId={companyId} wakes={items} />
          )
        }
      </Loaded>
    </Section>
  );
}

function Configuration({ agentId }: { agentId: string }) {
  const configuration = useConfiguration(agentId);
  return (
    <Loaded of={configuration}>
      {({ adapterConfig, runtimeConfig }) => (
        <>
          <Json title="Adapter's configuration" value={adapterConfig} />
          <Json title="Runtime configuration" value={runtimeConfig} />
        </>
      )}
    </Loaded>
  );
}
