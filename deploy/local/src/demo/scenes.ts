// Owns the scenes of the demo, in which the main job is played and everything seen is compared with what must be. Each scene makes its
// own agents; the order of scenes does not matter.
import { getRows, postRow, textOf, type Row } from "../http-client.js";
import { eventually } from "../polling.js";
import { bytesOf, sha256 } from "./public-client.js";
import { beginning, ending, hire, type Stage } from "./stage.js";
import { livesStill, overlaps } from "./witness.js";

/** How long something may take that follows an outcome at once: a closing log message, a dead process. */
const SOON_MS = 5_000;
/**
 * Recovery from a killed runner takes about a second. What the server had already handed to the dead connection comes again only after
 * the work queue's acknowledgement time: slow, and right all the same.
 */
const RECOVERY_TIMEOUT_MS = 40_000;

/** A wake in JSON: verdict, live log, outcome, replay, events. */
export async function wakeAndFollow(stage: Stage): Promise<void> {
  const { client, list, witnesses } = stage;
  stage.say("A wake in JSON: the verdict by header, the log live and from JetStream");
  const agent = await hire(stage, "Ada");
  const verdict = await client.wake(agent, { reason: "demo" });
  const runId = runOf(verdict.run);
  list.check(
    "a JSON wake is queued, and the verdict says so in JSON",
    verdict.outcome === "queued" && verdict.encoding === "json",
    verdict,
  );
  const run = await ending(stage, runId);
  list.check(
    "the run succeeds with exit code 0",
    run["status"] === "succeeded" && run["exitCode"] === 0,
    run,
  );
  await eventually("the end of the live log", SOON_MS, () =>
    client.live(runId).find((piece) => piece.end),
  );
  const live = client.live(runId);
  for (const stream of ["stdout", "stderr"] as const)
    list.check(
      `${stream} as followed live equals what the process wrote`,
      bytesOf(live, 1, stream).equals(witnesses.written(runId, 1, stream)),
      bytesOf(live, 1, stream).toString(),
    );
  const hash = sha256(bytesOf(live, 1));
  list.check(
    "sha256 and size of the log on the run are those of the bytes",
    run["logSha256"] === hash && run["logBytes"] === bytesOf(live, 1).length,
    run,
  );
  const stored = await client.replay(runId);
  list.check("the log replayed from JetStream is the same", sha256(bytesOf(stored, 1)) === hash);
  await checkEvents(stage, runId);
}

/** The company's events come in the order of the run's life, and the run's own events are numbered without gaps. */
async function checkEvents({ client, http, list }: Stage, runId: string): Promise<void> {
  // The row may be read before the event of the same commit arrives.
  await eventually("the last event", SOON_MS, () =>
    client.events.find(
      ({ payload }) => payload["runId"] === runId && payload["status"] === "succeeded",
    ),
  );
  const told = client.events
    .filter((event) => event.payload["runId"] === runId)
    .map((event) =>
      event.type === "heartbeat.run.queued"
        ? "queued"
        : event.type === "heartbeat.run.status"
          ? String(event.payload["status"] as string)
          : "",
    )
    .filter((status, index, all) => status !== "" && all.indexOf(status) === index);
  list.check(
    "events tell queued, running, succeeded, in this order",
    told.join() === "queued,running,succeeded",
    told,
  );
  const rows = await getRows(http, `/heartbeat-runs/${runId}/events?limit=1000`);
  list.check(
    "the run's events are numbered 1 to n without a gap",
    rows.length >= 3 && rows.every((row, index) => row["seq"] === index + 1),
    rows.map((row) => row["seq"]),
  );
}

/** msgpack, a wake that joins a live run, a repeated key, a repeated id. */
export async function sameness(stage: Stage): Promise<void> {
  const { client, list } = stage;
  stage.say("A wake in msgpack; a second one that joins its run; the same wake again");
  const agent = await hire(stage, "Bo", { steps: 6 });
  const wake = { id: "demo-1", idempotencyKey: "demo-key", payload: { taskKey: "report" } };
  const first = await client.wake(agent, wake, "msgpack");
  const runId = runOf(first.run);
  list.check(
    "a msgpack wake is queued, and the verdict says so in msgpack",
    first.outcome === "queued" && first.encoding === "msgpack",
    first,
  );
  await beginning(stage, runId);
  const joined = await client.wake(agent, { id: "demo-2", payload: { taskKey: "report" } });
  list.check(
    "a wake for the same task joins the live run",
    joined.outcome === "coalesced" && runOf(joined.run) === runId,
    joined,
  );
  const repeated = await client.wake(agent, wake);
  list.check(
    "the same wake id again gets the same verdict",
    repeated.outcome === "queued" && runOf(repeated.run) === runId,
    repeated,
  );
  const keyed = await client.wake(agent, {
    id: "demo-3",
    idempotencyKey: "demo-key",
    payload: { taskKey: "other" },
  });
  list.check(
    "the same idempotency key under another id gets the first run",
    keyed.outcome === "coalesced" && runOf(keyed.run) === runId,
    keyed,
  );
  await ending(stage, runId);
  const runs = await getRows(
    stage.http,
    `/companies/${stage.companyId}/heartbeat-runs?agentId=${agent}&limit=10`,
  );
  list.check("four wakes made one run", runs.length === 1, runs.length);
}

/** Two agents on one issue: the second waits for the lock and gets it. */
export async function handOver(stage: Stage): Promise<void> {
  const { client, list, witnesses, http, companyId } = stage;
  stage.say("Two agents on one issue: the second one waits, then the lock is handed over");
  const first = await hire(stage, "Cleo", { steps: 8 });
  const second = await hire(stage, "Dan");
  const issue = textOf(
    await postRow(http, `/companies/${companyId}/issues`, { title: "One at a time" }),
    "id",
  );
  const holding = await client.wake(first, { payload: { issueId: issue } });
  await beginning(stage, runOf(holding.run));
  const waiting = await client.wake(second, { payload: { issueId: issue } });
  list.check("a wake on a held issue is deferred", waiting.outcome === "deferred", waiting);
  await ending(stage, runOf(holding.run));
  const next = await eventually(
    "the deferred wake's run",
    SOON_MS,
    async () =>
      (await getRows(http, `/companies/${companyId}/heartbeat-runs?agentId=${second}&limit=1`))[0],
  );
  const run = await ending(stage, textOf(next, "id"));
  list.check(
    "it gets its run when the issue is free, and succeeds",
    run["status"] === "succeeded",
    run,
  );
  const notes = witnesses.notes().filter((note) => note.issue === issue);
  list.check(
    "two processes worked on the issue, one after the other",
    notes.length === 4 && overlaps(notes, Date.now()).length === 0,
    notes,
  );
}

/** A cancelled run is over when its process tree is. */
export async function cancelled(stage: Stage): Promise<void> {
  const { client, list, http } = stage;
  stage.say("A cancelled run, with a grandchild that ignores SIGTERM");
  const agent = await hire(stage, "Eve", { steps: 200, child: true });
  const verdict = await client.wake(agent, {});
  const runId = runOf(verdict.run);
  const note = await beginning(stage, runId);
  await printed(stage, runId);
  await postRow(http, `/heartbeat-runs/${runId}/cancel`);
  const run = await ending(stage, runId);
  list.check("the run ends as cancelled", run["status"] === "cancelled", run);
  list.check("its process is dead by then", !livesStill(note.pid), note);
  // Only a cgroup holds a grandchild that left its group; without one the sweep gets a moment.
  const child = note.child ?? 0;
  if (run["containment"] !== "cgroup")
    await eventually("the end of the grandchild", SOON_MS, () =>
      livesStill(child) ? undefined : true,
    ).catch(() => undefined);
  list.check("and so is its grandchild", child > 0 && !livesStill(child), note);
}

/** kill -9 of the runner: the tree dies, the attempt is repeated in the same run, elsewhere. */
export async function runnerKilled(stage: Stage): Promise<void> {
  const { client, list, stack, witnesses } = stage;
  stage.say("kill -9 of the runner in the middle of a run");
  const agent = await hire(stage, "Finn", { steps: 10 });
  const verdict = await client.wake(agent, {});
  const runId = runOf(verdict.run);
  const note = await beginning(stage, runId);
  await printed(stage, runId);
  const killedAt = Date.now();
  list.check("the runner was killed", stack.kill("runner", 0, "SIGKILL"));
  const again = await beginning(stage, runId, 2, RECOVERY_TIMEOUT_MS);
  stage.say(`attempt 2 began ${((again.at - killedAt) / 1000).toFixed(1)} s after the kill`);
  list.check(
    "the first attempt's process was dead when the second began",
    !livesStill(note.pid),
    note,
  );
  const run = await ending(stage, runId);
  list.check("the run succeeds all the same", run["status"] === "succeeded", run);
  const starts = witnesses.notes(runId).filter(({ event }) => event === "start");
  list.check(
    "each attempt was started once",
    starts.map(({ attempt }) => attempt).join() === "1,2",
    starts,
  );
  const stored = await client.replay(runId);
  list.check(
    "the second attempt's log is complete",
    bytesOf(stored, 2, "stdout").equals(witnesses.written(runId, 2, "stdout")) &&
      run["logSha256"] === sha256(bytesOf(stored, 2)),
    run,
  );
}

/** Some lines of the run were seen: whatever follows happens in the middle of its work. */
const printed = ({ client }: Stage, runId: string): Promise<true> =>
  eventually(`output of run ${runId}`, SOON_MS, () =>
    client.live(runId).length >= 3 ? true : undefined,
  );

const runOf = (run: Row | undefined): string => (run ? textOf(run, "id") : "");
