// Owns the names behind ids for the progress display: asked once over HTTP, remembered, bounded.
import { getRow, textOf, type Row } from "./http-client.js";

/** What the timeline wants to know of a run. */
export interface RunNames {
  readonly agent: string;
  readonly issue: string | undefined;
  readonly issueId: string | undefined;
  readonly reason: string;
}

export interface Directory {
  run(runId: string): Promise<RunNames>;
}

/** Names that are remembered; enough for every run that can be at work on one machine. */
const REMEMBERED_MAX = 2_000;

export function createDirectory(http: string): Directory {
  const agent = remembering(async (id) => textOf(await getRow(http, `/agents/${id}`), "name"));
  const issue = remembering(async (id) => {
    const row = await getRow(http, `/issues/${id}`);
    return textOf(row, "identifier") || id.slice(0, 8);
  });
  const run = remembering(async (id): Promise<RunNames> => {
    const row = await getRow(http, `/heartbeat-runs/${id}`);
    const context = (row["contextSnapshot"] ?? {}) as Row;
    const issueId = textOf(context, "issueId") || undefined;
    return {
      agent: await agent(textOf(row, "agentId")),
      issueId,
      issue: issueId === undefined ? undefined : await issue(issueId),
      reason: textOf(context, "wakeReason") || textOf(row, "invocationSource"),
    };
  });
  return { run };
}

/** A question that failed is asked again the next time. */
function remembering<T>(ask: (id: string) => Promise<T>): (id: string) => Promise<T> {
  const known = new Map<string, T>();
  return async (id) => {
    const remembered = known.get(id);
    if (remembered !== undefined) return remembered;
    const answer = await ask(id);
    if (known.size >= REMEMBERED_MAX) known.delete(known.keys().next().value!);
    known.set(id, answer);
    return answer;
  };
}
