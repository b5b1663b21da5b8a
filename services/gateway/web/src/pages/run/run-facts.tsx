/** What is known of a run beside its log: what it used, where it ran, what it came from. */
import type { RunDetail } from "../../api/types.js";
import { Link } from "../../shell/router.js";
import { bytes, count, dateTime, shortId } from "../../view/format.js";
import { Facts, Section } from "../../view/parts.js";

export function RunUsage({ run: { usageJson } }: { run: RunDetail }) {
  if (!usageJson) return null;
  const { inputTokens = 0, cachedInputTokens = 0, outputTokens = 0, costUsd, model } = usageJson;
  return (
    <Section title="Usage">
      <Facts
        of={[
          ["Input", `${count(inputTokens)} tokens`],
          ["of it cached", `${count(cachedInputTokens)} tokens`],
          ["Output", `${count(outputTokens)} tokens`],
          ["Cost", costUsd === undefined ? "–" : `$${costUsd.toFixed(4)}`],
          ["Model", model],
        ]}
      />
    </Section>
  );
}

export function RunFacts({ companyId, run }: { companyId: string; run: RunDetail }) {
  const home = `/${companyId}`;
  const exit = run.exitCode === null ? run.signal : `code ${run.exitCode}`;
  return (
    <>
      <Section title="Facts">
        <Facts
          of={[
            ["Run", <span class="mono">{run.id}</span>],
            [
              "Woken by",
              [run.invocationSource, run.triggerDetail].filter((each) => each !== null).join(", "),
            ],
            [
              "Issue",
              run.issueId ? (
                <Link href={`${home}/issues/${run.issueId}`}>{shortId(run.issueId)}</Link>
              ) : (
                "–"
              ),
            ],
            ["Task", run.taskKey],
            ["Attempt", attempts(run)],
            [
              "Retry of",
              run.retryOfRunId ? (
                <Link href={`${home}/runs/${run.retryOfRunId}`}>{shortId(run.retryOfRunId)}</Link>
              ) : (
                "–"
              ),
            ],
            ["Runner", run.runnerId ? `${run.runnerId} in ${run.pool}` : run.pool],
            ["Ended with", exit],
            ["Session", sessions(run)],
            [
              "Log",
              run.logBytes === null
                ? "–"
                : `${bytes(run.logBytes)}${run.logCut ? ` (${run.logCut})` : ""}`,
            ],
            ["Queued", dateTime(run.createdAt)],
          ]}
        />
      </Section>
      <Json title="Context" value={run.contextSnapshot} />
      <Json title="Result" value={run.resultJson} />
    </>
  );
}

const attempts = ({ attempt = 0, losses }: RunDetail): string =>
  losses > 0 ? `${attempt} (${losses} lost with their runner)` : String(attempt);

function sessions({ sessionIdBefore: before, sessionIdAfter: after }: RunDetail): string {
  if (before === null && after === null) return "–";
  return before === after ? `${before} (resumed)` : `${before ?? "new"} → ${after ?? "none"}`;
}

export function Json({ title, value }: { title: string; value: unknown }) {
  if (value === null || value === undefined) return null;
  return (
    <Section title={title}>
      <pre class="json" tabIndex={0}>
        {JSON.stringify(value, null, 2)}
      </pre>
    </Section>
  );
}
