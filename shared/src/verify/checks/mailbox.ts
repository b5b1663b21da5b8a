/** I15: cursors stand where the stream is, what was applied lies behind them, once and in order, and nothing is left undecided. */
import { firstStoredFrom, inspectStream } from "../../nats/inspection.js";
import { checkSentinel } from "../../nats/stream-facts.js";
import type { Check } from "../check.js";
import { rowCheck } from "../check.js";
import type { Evidence } from "../evidence.js";
import type { Shown } from "../report.js";
import { settled } from "../settled.js";
import type { Look } from "../settled.js";
import { lastChange, slotsOf } from "./slots.js";

interface Partition {
  partition: number;
  generation: number;
  cursorSeq: number;
  cursorNs: string;
}
const partitionsSql = `select partition, generation, cursor_seq::float8 as "cursorSeq", cursor_ns::text as "cursorNs" from partitions order by partition`;

/** The message at a cursor is its sentinel; where it is missing or another one, the stream was replaced, and a new generation begins. */
async function cursorsStand(evidence: Evidence): Promise<Look> {
  const { bus, names } = evidence.streams!;
  const rows = await evidence.ask<Partition>(partitionsSql);
  const stream = await inspectStream(bus, names.mailbox);
  const wrong = new Map<string, Shown>();
  for (const row of rows) {
    const says = (fault: string): void =>
      void wrong.set(String(row.partition), { ...row, lastSeq: stream?.lastSeq ?? null, fault });
    if (row.cursorSeq === 0) continue;
    if (!stream) says("there is no stream");
    else if (row.cursorSeq > stream.lastSeq) says("the cursor is behind the end of the stream");
    else if (
      (await checkSentinel(bus, names.mailbox, row.cursorSeq, BigInt(row.cursorNs))) !== "there"
    )
      says("the message at the cursor is not the one that was applied");
  }
  return { looked: rows.length, wrong };
}

async function nothingUndecided(evidence: Evidence): Promise<Look> {
  const { bus, names, subjects } = evidence.streams!;
  const rows = await evidence.ask<Partition>(partitionsSql);
  const wrong = new Map<string, Shown>();
  for (const { partition, cursorSeq } of rows) {
    const filter = subjects.partitionFilter(partition);
    const first = await firstStoredFrom(bus, names.mailbox, filter, cursorSeq + 1);
    if (first) wrong.set(String(partition), { partition, cursorSeq, ...first });
  }
  return { looked: rows.length, wrong };
}

export const mailboxChecks: readonly Check[] = [
  rowCheck({
    invariant: "I15",
    title: "no row was made by a message beyond the cursor",
    unit: "wakes and runs",
    population: "agent_wakeup_requests",
    // Of a message's generation only what the stream called it is known, so an older one says nothing; after a new generation began,
    // what was skipped counts as applied.
    violating: `select x.what, x.id, x.partition, x.generation, x.stream_seq::float8 as "streamSeq", p.generation as "cursorGeneration",
        p.cursor_seq::float8 as "cursorSeq", m.generation as "streamGeneration"
      from (select 'wake' as what, id, partition, generation, stream_seq from agent_wakeup_requests
        union all select 'run', id, partition, generation, stream_seq from heartbeat_runs) x
      join partitions p on p.partition = x.partition join mailbox_state m on m.id = 1
      where x.generation > m.generation or (x.generation = p.generation and x.stream_seq > greatest(p.cursor_seq, p.skip_seq))`,
  }),
  rowCheck({
    invariant: "I15",
    title: "one message makes one wake",
    unit: "wakes",
    population: "agent_wakeup_requests",
    // With its time: a stream that was rolled back gives numbers again.
    violating: `select agent_id as "agentId", generation, stream_seq::float8 as "streamSeq", array_agg(id) as wakes from agent_wakeup_requests
      group by agent_id, generation, stream_seq, requested_at having count(*) > 1`,
  }),
  rowCheck({
    invariant: "I15",
    title: "no partition is ahead of the generation of the stream",
    unit: "partitions",
    population: "partitions",
    violating: `select p.partition, p.generation, m.generation as "streamGeneration" from partitions p, mailbox_state m
      where m.id = 1 and p.generation > m.generation`,
  }),
  rowCheck({
    invariant: "I15",
    title: "an agent with one slot starts its runs in the order of the stream",
    unit: "first starts without an issue",
    // Waiting for an issue, or for the time of a retry, changes the order, and may.
    population:
      "heartbeat_runs where started_at is not null and issue_id is null and retry_of_run_id is null",
    violating: `select x.agent_id as "agentId", x.id as "runId", x.started_at as "startedAt", x.stream_seq::float8 as "streamSeq", x.before_id as "afterRunId", x.before as "otherStartedAt"
      from (select r.*, lag(r.started_at) over w as before, lag(r.id) over w as before_id
        from heartbeat_runs r join agents a on a.id = r.agent_id ${lastChange("a")}
        where r.started_at is not null and r.issue_id is null and r.retry_of_run_id is null and ${slotsOf("a")} = 1
          and r.created_at > coalesce(u.at, '-infinity')
        window w as (partition by r.agent_id order by r.created_at, r.generation, r.stream_seq)) x
      where x.before > x.started_at`,
  }),
  {
    invariant: "I15",
    title: "cursors stand at the message that was applied last",
    unit: "partitions",
    needs: ["streams"],
    stage: "settling",
    run: (evidence) => settled(evidence, () => cursorsStand(evidence)),
  },
  {
    invariant: "I15",
    title: "no message is undecided at rest",
    unit: "partitions",
    needs: ["streams"],
    atRest: true,
    stage: "settling",
    run: (evidence) => settled(evidence, () => nothingUndecided(evidence)),
  },
];
